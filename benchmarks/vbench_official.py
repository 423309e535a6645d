"""The official side of VBench's benchmarks: its own functions with loaded networks. Runs in the official environment.

It needs a Python with VBench at 45e79ec, decord, torchvision, omegaconf, easydict, openai-clip, pyiqa 0.1.10, ftfy,
einops, timm 1.0.12, transformers 4.33.2, fairscale, numpy below 2 and detectron2 at 02b5c4e2 with what they import (all
with --no-deps; of detectron2 the Python files are enough), a torch, and a checkout of github.com/facebookresearch/dino.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from vbench_inputs import DETECTION, PROMPT, TEXTS

IMPORTS = ("vbench", "decord", "torchvision", "omegaconf", "easydict", "clip", "pyiqa", "cv2", "scipy")
DESCRIBING_IMPORTS = ("detectron2", "transformers", "fairscale", "timm")
_FRAMES = 16  # GRiT looks at so many
_AUXILIARY = {
    "object_class": {"object": TEXTS["object"]},
    "multiple_objects": {"object": " and ".join(TEXTS["objects"])},
    "color": {"color": TEXTS["color"]},
    "spatial_relationship": {"spatial_relationship": TEXTS["spatial_relationship"]},
    "scene": {"scene": {"scene": TEXTS["scene"]}},
    "appearance_style": {"appearance_style": TEXTS["appearance_style"]},
}


class NoPicture:
    """Stands for detectron2's drawing of the results, which VBench doesn't look at."""

    def __init__(self, *_: Any, **__: Any):
        pass

    def draw_instance_predictions(self, predictions: Any) -> None:
        """Draw nothing."""


def prepare(weights: Path, module: str | None) -> None:
    """Make the official packages importable.

    ``module`` is imported first: it registers torchvision's operators if they are not compiled for this torch.
    """
    os.environ["VBENCH_CACHE_DIR"] = str(weights)
    if module:
        importlib.import_module(module)
    else:
        _let_torchvision_import()
    import vbench.utils  # noqa: F401


def load(
    dimension: str, videos: list[str], weights: Path, device: str, dino: str, frames: int, longest: int
) -> Callable[[], list[Any]]:
    """Return a function that scores the videos with the official code, whose network is loaded.

    GRiT looks at ``frames`` frames of each video and writes ``longest`` word pieces at most.
    """
    import torch

    device = torch.device(device)
    if dimension in DETECTION:
        model = load_grit(weights / "grit.pth", device, longest, captions=dimension == "color")
        return _detection(dimension, model, videos, device, frames)
    if dimension == "scene":
        from vbench.scene import scene

        model = make_tag2text(weights / "vocab.txt", str(weights / "tag2text.pth")).to(device)
        # Left to itself it keeps every activation for gradients: more than 22 GB for sixteen frames.
        graded = torch.no_grad()(_graded)
        return lambda: _results(graded(scene, model, dimension, videos, device))
    if dimension == "human_action":
        return _human_action(videos, weights, device)
    if dimension == "appearance_style":
        from vbench.appearance_style import appearance_style

        clip = _clip(weights / "clip_vitb32.pth", 512, 12, 768, 32, 512, device)
        return lambda: _results(_graded(appearance_style, clip, dimension, videos, device))
    if dimension in ("temporal_style", "overall_consistency"):
        module = importlib.import_module(f"vbench.{dimension}")
        tokenizer = module.SimpleTokenizer(str(weights / "ViCLIP" / "bpe_simple_vocab_16e6.txt.gz"))
        network = module.ViCLIP(tokenizer=tokenizer, pretrain=str(weights / "viclip_l14.pth")).to(device).eval()
        described = [{"prompt": PROMPT, "video_list": videos}]
        return lambda: _results(getattr(module, dimension)(network, described, tokenizer, device))
    return _quality(dimension, videos, weights, device, dino)


def load_grit(path: Path, device: Any, longest: int, captions: bool) -> Any:
    """The official detector, which draws nothing."""
    from vbench.third_party.grit_model import DenseCaptioning
    from vbench.third_party.grit_src.grit import predictor

    tokenizer_from(path.with_name("vocab.txt"))
    predictor.Visualizer_GRiT = NoPicture
    model = DenseCaptioning(device)
    (model.initialize_model if captions else model.initialize_model_det)(str(path))
    heads = model.demo.predictor.model.roi_heads
    for decoder in (heads.text_decoder, heads.text_decoder_det):
        decoder.beamsearch_decode.max_steps = longest
    return model


def make_tag2text(vocabulary: Path, weights: str = "") -> Any:
    """The official captioner."""
    from vbench.third_party.tag2Text import tag2text
    from vbench.third_party.tag2Text.med import BertModel

    tokenizer_from(vocabulary)
    BertModel.from_pretrained = classmethod(lambda cls, name, config, **settings: cls(config, **settings))
    return tag2text.tag2text_caption(pretrained=weights, image_size=384, vit="swin_b").eval()


def tokenizer_from(vocabulary: Path) -> None:
    """Let the official code find BERT's words without the hub."""
    from transformers import BertTokenizer

    words = str(vocabulary)
    BertTokenizer.from_pretrained = classmethod(lambda cls, name, **settings: cls(words, do_lower_case=True))


def _graded(function: Callable[..., Any], model: Any, dimension: str, videos: Sequence[str], device: Any) -> Any:
    prompt = f"a {TEXTS['color']} {TEXTS['object']}" if dimension == "color" else PROMPT
    info = {"prompt": prompt, "auxiliary_info": _AUXILIARY[dimension], "video_list": videos}
    return function(model, [info], device)


def _detection(
    dimension: str, model: Any, videos: Sequence[str], device: Any, frames: int
) -> Callable[[], list[float]]:
    module = importlib.import_module(f"vbench.{dimension}")
    module.load_video = partial(_fewer, module.load_video, frames)

    def run() -> list[float]:
        try:
            return _results(_graded(getattr(module, dimension), model, dimension, videos, device))
        except ZeroDivisionError:  # color: in no frame is the object described in a colour
            return []

    return run


def _fewer(load_video: Callable[..., Any], frames: int, path: str, num_frames: int, **options: Any) -> Any:
    assert num_frames == _FRAMES
    return load_video(path, num_frames=frames, **options)


def _human_action(videos: list[str], weights: Path, device: Any) -> Callable[[], list[Any]]:
    """Its function loads the network itself, so it is given a loaded one."""
    import torch
    import vbench.human_action as module

    made, state = module.create_model, torch.load(weights / "umt_l16.pth")
    kept: list[Any] = []

    def create(*names: Any, **settings: Any) -> Any:
        if not kept:
            kept.append(made(*names, **settings))
            kept[0].load_state_dict(state, strict=False)
            kept[0].load_state_dict = lambda *_, **__: None
        return kept[0]

    module.create_model = create
    torch.load = lambda *_, **__: {}
    with suppress(ZeroDivisionError):  # it divides by the number of videos
        module.human_action("", [], device)
    return lambda: _results(module.human_action("", videos, device))


def _quality(dimension: str, videos: list[str], weights: Path, device: Any, dino: str) -> Callable[[], list[Any]]:
    import torch

    if dimension == "subject_consistency":
        from vbench.subject_consistency import subject_consistency

        model = torch.hub.load(dino, "dino_vitb16", source="local", pretrained=False)
        model.load_state_dict(torch.load(weights / "dino_vitb16.pth"))
        model = model.to(device).eval()
        return lambda: _results(subject_consistency(model, videos, device, False))
    if dimension == "background_consistency":
        from vbench.background_consistency import background_consistency

        clip = _clip(weights / "clip_vitb32.pth", 512, 12, 768, 32, 512, device)
        return lambda: _results(background_consistency(clip, None, videos, device, False))
    if dimension == "temporal_flickering":
        from vbench.temporal_flickering import temporal_flickering

        return lambda: _results(temporal_flickering(videos))
    if dimension == "motion_smoothness":
        import vbench.motion_smoothness as module

        config = Path(module.__file__).parent / "third_party/amt/cfgs/AMT-S.yaml"
        motion = module.MotionSmoothness(str(config), str(weights / "amt_s.pth"), device)
        return lambda: [motion.motion_score(video) for video in videos]
    if dimension == "dynamic_degree":
        from easydict import EasyDict
        from vbench.dynamic_degree import DynamicDegree

        choices = {"small": False, "mixed_precision": False, "alternate_corr": False}
        dynamic = DynamicDegree(EasyDict({"model": str(weights / "raft.pth"), **choices}), device)
        return lambda: [float(dynamic.infer(video)) for video in videos]
    if dimension == "aesthetic_quality":
        from vbench.aesthetic_quality import get_aesthetic_model, laion_aesthetic

        head = get_aesthetic_model(str(weights)).to(device)
        clip = _clip(weights / "clip_vitl14.pth", 768, 24, 1024, 14, 768, device)
        return lambda: _results(laion_aesthetic(head, clip, videos, device))
    import_only_musiq()
    from vbench.imaging_quality import MUSIQ, technical_quality

    musiq = MUSIQ(pretrained_model_path=str(weights / "musiq_spaq.pth")).to(device)
    musiq.training = False
    return lambda: _results(technical_quality(musiq, videos, device))


def _results(outcome: tuple[float, list[dict[str, Any]]]) -> list[float]:
    return [float(entry["video_results"]) for entry in outcome[1]]


def _clip(path: Path, features: int, layers: int, width: int, patch: int, text_width: int, device: Any) -> Any:
    """Build OpenAI's class with the rule's weights; of ViT-L/14 the rule has the image half only."""
    import torch
    from clip.model import CLIP, convert_weights

    model = CLIP(features, 224, layers, width, patch, 77, 49408, text_width, text_width // 64, 12)
    model.load_state_dict(torch.load(path), strict=False)
    if device.type == "cuda":
        convert_weights(model)
    return model.to(device).eval()


def _let_torchvision_import() -> None:
    """Define two unused operators that PyPI's torchvision lacks when torch has no CUDA."""
    import torch

    if torch.version.cuda is None:
        global _LIBRARY  # lives as long as the process
        _LIBRARY = torch.library.Library("torchvision", "DEF")
        _LIBRARY.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _LIBRARY.define("qnms(Tensor dets, Tensor scores, Tensor iou_threshold) -> Tensor")


def import_only_musiq() -> None:
    """Keep pyiqa from importing its hundred other metrics, each with its own dependencies."""
    from importlib.util import find_spec
    from types import ModuleType

    root = find_spec("pyiqa").submodule_search_locations[0]
    for name in ("pyiqa", "pyiqa.archs", "pyiqa.data", "pyiqa.utils"):
        package = ModuleType(name)
        package.__path__ = [str(Path(root, *name.split(".")[1:]))]
        sys.modules[name] = package
