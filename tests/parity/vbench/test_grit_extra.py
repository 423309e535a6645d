"""GRiT in miniature equals the official classes in miniature: what two full-size images don't show, in seconds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from nova_bench.config.catalog import SCORERS
from nova_bench.networks.bert_tokens import WORDS, BertTokenizer
from nova_bench.networks.frames import grit_input
from nova_bench.networks.grit import cascade
from nova_bench.networks.grit.boxes import clipped
from nova_bench.networks.grit.config import GRiTConfig
from nova_bench.networks.grit.grit import GRiT
from nova_bench.networks.grit.proposals import Boxes, ProposalGenerator
from nova_bench.networks.grit.text_decoder import CAPTION, OBJECT
from nova_bench.networks.weights import load_network
from nova_bench.scorers.base import Sample, ScorerContext
from nova_bench.scorers.vbench.color import ColorSettings
from nova_bench.scorers.vbench.detection import Detector
from nova_bench.video import read_clip

from .description_rule import described_weights, noise
from .tolerances import assert_close

FOLDER = Path(__file__).parent / "vectors"
CLIPS = Path(__file__).parents[2] / "data" / "vbench_clips"
CONFIG = GRiTConfig(
    width=128,
    depth=3,
    global_blocks=(1,),
    window=5,
    trained_side=8,
    channels=64,
    box_width=96,
    text_width=128,
    text_depth=2,
    text_heads=4,
    vocabulary=232,
)


@pytest.fixture(autouse=True)
def _inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


def reduced(path: Path, changes: list[tuple[str, float, float]] | None = None) -> GRiT:
    """The rule's weights, some of them scaled and shifted, in a file as the official one, and read from there."""
    with torch.device("meta"):
        shapes = GRiT(CONFIG).state_dict()
    del shapes["roi_heads.text_decoder.textual.output.weight"]  # the words' embedding by another name
    state = described_weights("grit_reduced", shapes)
    for part, factor, offset in changes or []:
        state |= {name: value * factor + offset for name, value in state.items() if part in name}
    torch.save({"model": state}, path)
    return load_network(lambda: GRiT(CONFIG), path, GRiT.official_keys, entry="model")


def vectors(name: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    return json.loads((FOLDER / f"{name}.json").read_text()), load_file(FOLDER / f"{name}.safetensors")


def frame(case: dict[str, Any]) -> Tensor:
    height, width = case.get("crop", (None, None))
    return grit_input(read_clip(CLIPS / case["clip"]).frames[:1, :height, :width], opencv=True)


def words(folder: Path) -> BertTokenizer:
    path = folder / "vocab.txt"
    listed = (FOLDER / "grit_words.txt").read_text().splitlines()
    path.write_text("\n".join([*listed, *(f"unused{number}" for number in range(len(listed), WORDS))]))
    return BertTokenizer(path)


@pytest.mark.parametrize("name", ["grit_reduced", "grit_portrait"])
def test_an_image_from_pixels_to_words(name: str, tmp_path: Path) -> None:
    case, expected = vectors(name)
    network = reduced(tmp_path / "grit.pth", case.get("changes"))
    frames = frame(case)
    levels = network.backbone(network.prepared(frames))
    if name == "grit_reduced":
        vit = network.backbone.bottom_up(network.prepared(frames)).permute(0, 3, 1, 2)
        assert_close("GRiT ViT", vit[:, ::8], expected["vit_c_every8"])
        for number, level in enumerate(levels, start=3):
            assert_close("GRiT pyramid", level[:, ::8], expected[f"p{number}_c_every8"])
    [proposals] = network.proposal_generator(levels)
    same_boxes(proposals, expected, "proposals")
    size = (frames.shape[-2], frames.shape[-1])
    [judged] = cascade.judged(network.roi_heads.stages, levels[:3], [proposals], size)
    same_boxes(judged, expected | {"all.boxes": clipped(expected["all.boxes"], *size)}, "all")
    [found] = network.find(frames)
    same_boxes(found.boxes, expected, "kept")
    assert found.boxes.boxes.int().tolist() == [box for _, box in case["objects"]]
    written = dict(zip((CAPTION, OBJECT), network.describe(found.features, [CAPTION, OBJECT]), strict=True))
    tokenizer = words(tmp_path)
    for begin, key, official in (
        (CAPTION, "caption", [text for text, _ in case["objects"]]),
        (OBJECT, "object", case["names"]),
    ):
        assert written[begin].tokens.tolist() == expected[f"{key}.tokens"].tolist()
        probability = written[begin].log_probability
        assert_close("GRiT probability of texts, from pixels", probability, expected[f"{key}.log_probability"])
        assert [tokenizer.text(tokens[1:]) for tokens in written[begin].tokens.tolist()] == official


@pytest.mark.parametrize("kind", ["no_proposal", "no_object"])
def test_an_image_without_objects(kind: str, tmp_path: Path) -> None:
    """Officially nothing is warm enough for a proposal, or no proposal is sure enough; neither is an error."""
    cases, expected = vectors("grit_no_box")
    network = reduced(tmp_path / "grit.pth", cases[kind]["changes"])
    assert cases[kind]["objects"] == []
    frames = frame(cases[kind])
    if kind == "no_object":
        levels = network.backbone(network.prepared(frames))
        [proposals] = network.proposal_generator(levels)
        same_boxes(proposals, expected, "no_object.proposals")
    [found] = network.find(frames)
    assert (len(found.boxes), len(found.features)) == (0, 0)


def test_all_proposals_that_share_the_last_score_stay(tmp_path: Path) -> None:
    """Without weights on the features every cell is equally warm: more than 256 stay, in the order of the cells."""
    case, expected = vectors("grit_ties")
    network = reduced(tmp_path / "grit.pth", case["changes"])
    frames = frame(case)
    levels = network.backbone(network.prepared(frames))
    [proposals] = network.proposal_generator(levels)
    assert len(proposals) > 256
    same_boxes(proposals, expected, "proposals")
    size = (frames.shape[-2], frames.shape[-1])
    [judged] = cascade.judged(network.roi_heads.stages, levels[:3], [proposals], size)
    same_boxes(judged, expected | {"all.boxes": clipped(expected["all.boxes"], *size)}, "all")


@pytest.mark.parametrize("kind", ["steps", "near", "many"])
def test_proposals_that_overlap_and_tie(kind: str) -> None:
    """Big boxes of near cells overlap by more than 0.9; heat in steps ties, also for the 256th place."""
    cases, expected = vectors("grit_nms")
    case, outputs = cases[kind], []
    for level, stride in enumerate((8, 16, 32, 64, 128)):
        rows, columns = (-(-side // stride) for side in case["size"])
        heat = noise(f"nms.heat.{level}", 1, 1, rows, columns) * 1.5 - 1
        if (step := case["step"]) is not None:
            heat = (heat / step).round() * step
        sides = noise(f"nms.reg.{level}", 1, 4, rows, columns)
        outputs.append((heat, (sides * 2 if kind == "many" else sides * 0.2 + 9).clamp(min=0)))
    generator = ProposalGenerator(CONFIG)
    generator.centernet_head.forward = lambda _: outputs  # type: ignore[method-assign]
    [proposals] = generator([heat for heat, _ in outputs])
    same_boxes(proposals, expected, kind)
    assert len(proposals) == case["kept"]
    assert (len(proposals) > 256) == (step is not None)
    if kind != "many":
        assert case["cells"] - len(proposals) > 300


def same_boxes(boxes: Boxes, expected: dict[str, Tensor], name: str) -> None:
    """Equal up to the order of boxes whose scores float32 can't tell apart."""
    official, scores = expected[f"{name}.boxes"], expected[f"{name}.scores"]
    assert len(boxes) == len(scores)
    distances = torch.cdist(official, boxes.boxes) + 1e4 * (scores[:, None] - boxes.scores).abs()
    match = distances.argmin(dim=1)
    assert sorted(match.tolist()) == list(range(len(boxes)))
    assert_close("GRiT boxes, pixels", boxes.boxes[match], official)
    assert_close("GRiT scores", boxes.scores[match], scores)
    assert_close("GRiT scores", boxes.scores, scores)


DIMENSIONS = json.loads((FOLDER / "grit_dimensions.json").read_text())


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * ("sixteen" in name)) for name in DIMENSIONS["videos"]],
)
def test_videos_of_one_two_and_sixteen_frames(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The official functions on files, from decoding to the score."""
    network = reduced(tmp_path / "grit.pth", DIMENSIONS["changes"])
    monkeypatch.setattr("nova_bench.networks.grit.grit.load_grit", lambda path: network)
    words(tmp_path)
    files = {"grit-b": tmp_path / "grit.pth", "bert-vocab": tmp_path / "vocab.txt"}
    context = ScorerContext("cpu", files.__getitem__)
    clip = read_clip(next(folder / name for folder in (FOLDER, CLIPS) if (folder / name).is_file()))
    official = DIMENSIONS["videos"][name]
    for dimension, value in (
        ("color", "cur_success_frame_rate"),
        ("object_class", "video_results"),
        ("multiple_objects", "video_results"),
        ("spatial_relationship", "video_results"),
    ):
        case, info = official[dimension], SCORERS.get(dimension)
        asked = {key: case[key] for key in ("object", "color", "objects") if key in case}
        if dimension == "spatial_relationship":
            asked = {"spatial_relationship": {key: case[key] for key in ("object_a", "object_b", "relationship")}}
        metadata = info.reads.model_validate_json(json.dumps(asked))
        [score] = info.build(info.settings(), context).score([Sample(clip, metadata=metadata)])
        assert score.value == pytest.approx(case["results"][0][value], abs=1e-6)
        if dimension == "color":
            captions = [[caption for caption, _ in frame] for frame in official["color_details"]]
            assert [frame or [""] for frame in score.details["captions"]] == captions


@pytest.mark.slow
def test_large_frames_as_color_sees_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenCV makes 784x896 pixels 720x822; captions, boxes and the first object's name are as officially."""
    official = json.loads((FOLDER / "grit_color.json").read_text())
    network = reduced(tmp_path / "grit.pth", official["changes"])
    monkeypatch.setattr("nova_bench.networks.grit.grit.load_grit", lambda path: network)
    words(tmp_path)
    files = {"grit-b": tmp_path / "grit.pth", "bert-vocab": tmp_path / "vocab.txt"}
    detector = Detector(ColorSettings(), ScorerContext("cpu", files.__getitem__), captions=True)
    found = detector.detect(read_clip(FOLDER / "grit_color.mp4"))
    for frame_found, expected in zip(found[:2], official["frames"], strict=True):
        assert [(seen.caption, list(seen.box)) for seen in frame_found] == [(text, box) for text, box, _ in expected]
        assert frame_found[0].name == expected[0][2]
