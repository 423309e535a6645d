"""Count what the official networks of VBench compute in one call: prints GFLOP by name as JSON.

    PYTHON benchmarks/vbench_official_flops.py --size HEIGHTxWIDTH [--prepare MODULE] [--dino-code FOLDER]

PYTHON is the official side's (vbench_official.py says what it needs). The networks are built without weights on torch's
meta device and called with tensors of the shapes that the dimensions' functions give them; RAFT, AMT and MUSIQ read
values and run. The calls of one video are put together by vbench_flops.py.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import vbench_official
from vbench_inputs import CAPTION, OBJECTS, PROMPT_IDS, TAG_STEPS, place_words

FEW = (128, 192)
BOXES = 256
IMAGES, BEAMS, TAG_TOKENS = 16, 3, 40


def flops(run: Callable[[], object], device: str = "meta") -> float:
    """GFLOP of a call that makes its tensors on ``device``."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad(), torch.device(device):
        run()
    return counter.get_total_flops() / 1e9


def blank(*shape: int, device: str = "meta") -> Any:
    """Zeros."""
    import torch

    return torch.zeros(shape, device=device)


def built(make: Callable[[], Any]) -> Any:
    """A network on the meta device. Constructors read the rates that they space evenly, so these have values."""
    import torch

    spaced = partial(torch.linspace, device="cpu")
    with torch.device("meta"), patch("torch.linspace", spaced):
        return make().eval().to("meta")


def images(height: int, width: int, dino: str) -> Iterator[tuple[str, float]]:
    """Networks that look at frames, one at a time."""
    import torch
    from clip.model import CLIP
    from easydict import EasyDict
    from vbench.third_party.RAFT.core.raft import RAFT

    network = built(lambda: torch.hub.load(dino, "dino_vitb16", source="local", pretrained=False))
    shorter = min(height, width)
    yield "dino", flops(lambda: network(blank(1, 3, 224 * height // shorter, 224 * width // shorter)))
    base = built(lambda: CLIP(512, 224, 12, 768, 32, 77, 49408, 512, 8, 12))
    large = built(lambda: CLIP(768, 224, 24, 1024, 14, 77, 49408, 768, 12, 12))
    image, text = blank(1, 3, 224, 224), torch.zeros(1, 77, dtype=torch.int64, device="meta")
    yield "clip b/32", flops(lambda: base.encode_image(image))
    yield "clip b/32 with text", flops(lambda: base(image, text))
    yield "clip l/14", flops(lambda: large.encode_image(image))
    settings = {"small": False, "mixed_precision": False, "alternate_corr": False}
    pair = [blank(1, 3, *FEW, device="cpu") for _ in range(2)]
    share = height * width / (FEW[0] * FEW[1])
    raft = RAFT(EasyDict(settings)).eval()
    yield "raft", share * flops(lambda: raft(*pair, iters=20, test_mode=True), "cpu")


def interpolation(height: int, width: int) -> Iterator[tuple[str, float]]:
    """AMT's middle frame."""
    import torch
    import vbench.motion_smoothness as module
    from omegaconf import OmegaConf

    config = OmegaConf.load(Path(module.__file__).parent / "third_party/amt/cfgs/AMT-S.yaml").network
    network = module.build_from_cfg(config).eval()
    pair = [blank(1, 3, *FEW, device="cpu") for _ in range(2)]
    time = torch.full((1, 1, 1, 1), 0.5)
    share = height * width / (FEW[0] * FEW[1])
    yield "amt", share * flops(lambda: network(*pair, time, scale_factor=1.0, eval=True), "cpu")


def quality_of_images(height: int, width: int) -> Iterator[tuple[str, float]]:
    """MUSIQ on a whole frame."""
    vbench_official.import_only_musiq()
    from vbench.imaging_quality import MUSIQ

    MUSIQ.load_pretrained_network = lambda *_: None
    share = min(1.0, 512 / max(height, width))
    musiq = MUSIQ(pretrained=False).eval()
    musiq.training = False
    yield "musiq", flops(lambda: musiq(blank(1, 3, int(share * height), int(share * width), device="cpu")), "cpu")


def detection(height: int, width: int) -> Iterator[tuple[str, float]]:
    """GRiT's parts."""
    import torch
    from detectron2.modeling import build_model
    from vbench.third_party.grit_src.image_dense_captions import get_parser, setup_cfg

    config = setup_cfg(get_parser(torch.device("cpu"))).clone()
    config.defrost()
    config.MODEL.DEVICE = "meta"
    model = built(lambda: build_model(config))
    image = blank(1, 3, height + -height % 32, width + -width % 32)
    heads = model.roi_heads

    def seen() -> None:
        levels = model.backbone(image)
        model.proposal_generator.centernet_head([levels[name] for name in model.proposal_generator.in_features])

    yield "grit", flops(seen)
    pooled = blank(BOXES, 256, 7, 7)
    yield "boxes", flops(lambda: [p(h(pooled)) for h, p in zip(heads.box_head, heads.box_predictor, strict=True)])
    yield "masks", flops(lambda: heads.mask_head.layers(blank(OBJECTS, 256, 14, 14)))
    features = blank(OBJECTS, 196, 256)
    for length in range(1, CAPTION + 1):
        tokens = torch.zeros(OBJECTS, length, dtype=torch.int64, device="meta")
        yield f"word {length}", flops(lambda tokens=tokens: heads.text_decoder.textual(features, tokens))


def captions(vocabulary: Path) -> Iterator[tuple[str, float]]:
    """Tag2Text, sixteen images at once."""
    import torch

    network = built(lambda: vbench_official.make_tag2text(vocabulary))
    rows = IMAGES * BEAMS
    swin = network.visual_encoder

    def look() -> None:
        swin.patch_embed.proj(blank(1, 3, 384, 384))  # its own forward moves images to the CPU
        x = blank(1, 96 * 96, 128)
        for layer in swin.layers:
            x = layer(x)

    yield "swin", flops(look) * IMAGES
    looked, labels = blank(IMAGES, 145, 1024), blank(IMAGES, 3429, 768)
    seen = torch.ones(IMAGES, 145, dtype=torch.int64, device="meta")
    yield (
        "tags",
        flops(
            lambda: network.fc(
                network.vision_multi(
                    encoder_embeds=labels,
                    encoder_hidden_states=looked,
                    encoder_attention_mask=seen,
                    return_dict=False,
                    mode="mlr",
                )[0]
            )
        ),
    )
    ids = torch.zeros(rows, TAG_TOKENS, dtype=torch.int64, device="meta")
    yield (
        "states",
        flops(
            lambda: network.tag_encoder(
                ids,
                attention_mask=torch.ones_like(ids),
                encoder_hidden_states=blank(rows, 145, 1024),
                encoder_attention_mask=torch.ones(rows, 145, dtype=torch.int64),
                return_dict=True,
            )
        ),
    )
    states = blank(rows * BEAMS, TAG_TOKENS, 768)  # repeated once more by the search
    steps = 0.0
    for length in range(PROMPT_IDS, PROMPT_IDS + TAG_STEPS):
        begun = torch.zeros(rows, length, dtype=torch.int64, device="meta")
        steps += flops(
            lambda begun=begun: network.text_decoder(
                begun, attention_mask=torch.ones_like(begun), encoder_hidden_states=states, return_dict=True
            )
        )
    yield "captions", steps


def videos() -> Iterator[tuple[str, float]]:
    """Networks that look at a whole video."""
    from timm.models import create_model
    from vbench.third_party.umt.models import modeling_finetune  # noqa: F401
    from vbench.third_party.ViCLIP.viclip import ViCLIP

    choices = {"num_classes": 400, "all_frames": 16, "tubelet_size": 1, "use_mean_pooling": True}
    umt = built(lambda: create_model("vit_large_patch16_224", pretrained=False, **choices))
    yield "umt", flops(lambda: umt(blank(1, 3, 16, 224, 224)))
    viclip = built(lambda: ViCLIP(tokenizer=object(), pretrain=""))
    yield "viclip", flops(lambda: viclip.encode_vision(blank(1, 8, 3, 224, 224), test=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="480x768")
    parser.add_argument("--prepare", metavar="MODULE")
    parser.add_argument("--dino-code", metavar="FOLDER", default="")
    options = parser.parse_args()
    height, width = (int(side) for side in options.size.split("x"))
    here = Path(__file__).resolve().parent  # where `vbench` is not the package
    sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != here]
    counted: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        vbench_official.prepare(Path(folder), options.prepare)
        place_words(Path(folder))
        vocabulary = Path(folder, "vocab.txt")
        vbench_official.tokenizer_from(vocabulary)
        for part in (
            images(height, width, options.dino_code),
            interpolation(height, width),
            quality_of_images(height, width),
            detection(height, width),
            captions(vocabulary),
            videos(),
        ):
            counted.update(part)
    print(json.dumps(counted))


if __name__ == "__main__":
    main()
