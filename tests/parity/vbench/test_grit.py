"""GRiT equals the official implementation (with detectron2) on the same full-size weights."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from nova_bench.networks.bert_tokens import BertTokenizer
from nova_bench.networks.frames import grit_input
from nova_bench.networks.grit import cascade
from nova_bench.networks.grit.boxes import clipped, refined, suppressed
from nova_bench.networks.grit.grit import GRiT, load_grit
from nova_bench.networks.grit.roi_align import pooled, roi_align
from nova_bench.networks.grit.text_decoder import CAPTION, OBJECT, Texts

from .description_rule import described_weights, noise
from .tolerances import assert_close

FOLDER = Path(__file__).parent / "vectors"
VOCABULARY = Path(__file__).parents[2] / "data" / "bert_vocab.txt.gz"
EXPECTED = load_file(FOLDER / "grit.safetensors")
OFFICIAL = json.loads((FOLDER / "grit.json").read_text())
NARROW = 0.05  # two logits nearer than this are as good as equal after the noise of float32 in boxes and features


@pytest.fixture(autouse=True)
def _inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


def official_file(path: Path) -> Path:
    """The rule's weights, in a file that also holds what isn't used."""
    with torch.device("meta"):
        shapes = GRiT().state_dict()
    state = described_weights("grit", shapes)
    for name, check in OFFICIAL["weight_check"].items():
        if name in state:
            assert state[name].flatten()[:3].tolist() == check["first3"], name
    decoder = "roi_heads.text_decoder.textual"
    state[f"{decoder}.output.weight"] = state[f"{decoder}.embedding.words.weight"]
    state["roi_heads.mask_head.deconv.weight"] = torch.zeros(1)
    torch.save({"model": state}, path)
    return path


@pytest.fixture(scope="module")
def grit(tmp_path_factory: pytest.TempPathFactory) -> GRiT:
    path = official_file(tmp_path_factory.mktemp("grit") / "grit.pth")
    network = load_grit(path)
    path.unlink()
    return network


def expected(name: str) -> Tensor:
    return EXPECTED[name]


def image(name: str) -> Tensor:
    pixels = np.array(Image.open(FOLDER / f"grit_{name}.png").convert("RGB"))
    return torch.from_numpy(pixels)[None]


def test_suppression() -> None:
    boxes, scores = expected("unit.nms.boxes"), expected("unit.nms.scores")
    apart = boxes + (torch.arange(len(boxes)) % 3)[:, None] * (boxes.max() + 1)  # three classes never overlap
    for threshold in (0.5, 0.9):
        kept = suppressed(boxes, scores, threshold, len(boxes))
        assert kept.tolist() == expected(f"unit.nms.keep_{threshold}").tolist()
        kept = suppressed(apart, scores, threshold, len(boxes))
        assert kept.tolist() == expected(f"unit.nms.keep_3cls_{threshold}").tolist()


def test_roi_align() -> None:
    boxes, values = expected("unit.roi.boxes"), noise("unit.roi.x", 1, 4, 16, 20)
    features = roi_align(values, boxes, torch.zeros(len(boxes), dtype=torch.int64), 0.25, 7)
    assert_close("GRiT features of boxes", features.transpose(1, 2).unflatten(2, (7, 7)), expected("unit.roi.out"))


def test_refined_boxes() -> None:
    deltas = noise("unit.deltas", 80, 4) * 4
    for stage, weight in enumerate((10.0, 20.0, 30.0)):
        boxes = refined(expected("unit.nms.boxes"), deltas, (weight, weight, weight / 2, weight / 2))
        assert_close("GRiT boxes, pixels", boxes, expected(f"unit.deltas.out{stage}"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_blocks(grit: GRiT) -> None:
    backbone = grit.backbone.bottom_up
    assert_close("GRiT blocks", backbone.positions(9, 13)[..., ::8], expected("unit.abs_pos_9x13"))
    for number in (0, 2):
        x, block = noise(f"unit.block{number}", 1, 20, 23, 768), backbone.blocks[number]
        assert_close("GRiT blocks", block(x)[:, ::3, ::4, ::4], expected(f"unit.block{number}.out"))
        attended = block.attn(x[:, :14, :14])[:, ::3, ::4, ::4]
        assert_close("GRiT blocks", attended, expected(f"unit.block{number}.attn_out"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_texts_alone(grit: GRiT) -> None:
    decoder = grit.roi_heads.text_decoder.textual
    features = noise("unit.text.tok", 2, 196, 256) * 0.3 + noise("unit.text.obj", 2, 1, 256) * 0.7
    logits = decoder.logits(decoder.remember(features), torch.tensor([[104, 2000, 3000], [101, 2500, 104]]), 0)
    assert_close("GRiT logits of words", logits[:, ::25], expected("unit.text.logits_step3"))
    for texts, name in zip(decoder(features, [OBJECT, CAPTION]), ("objectdet", "densecap"), strict=True):
        assert texts.tokens.tolist() == expected(f"unit.text.pred_{name}").tolist()
        assert_close("GRiT probability of texts", texts.log_probability, expected(f"unit.text.logprobs_{name}"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", ["small", "large"])
def test_an_image_from_pixels_to_words(grit: GRiT, name: str, tmp_path: Path) -> None:
    def close(quantity: str, value: Tensor, key: str) -> None:
        assert_close(f"GRiT {quantity}", value, expected(f"{name}.{key}"))

    close("input", grit_input(image(name), opencv=True)[0].permute(1, 2, 0)[::16, ::16], "color_path_sample")
    frames = grit_input(image(name), opencv=False)
    close("input", frames[0].permute(1, 2, 0)[::16, ::16], "resized_sample")
    prepared = grit.prepared(frames)
    close("input", prepared[:, :, ::16, ::16], "netin_sample")
    close("ViT", grit.backbone.bottom_up(prepared).permute(0, 3, 1, 2)[:, ::2, ::5, ::5], "vit_sample")
    levels = grit.backbone(prepared)
    for number, level in enumerate(levels, start=3):
        close("pyramid", level[:, ::4, ::6, ::6], f"fpn.p{number}")
    for number, (heat, sides) in enumerate(grit.proposal_generator.centernet_head(levels)):
        close("heat and sides", heat, f"head.agn_hm.{number}")
        close("heat and sides", sides if number else sides[:, :, ::2, ::2], f"head.reg.{number}")
    [proposals] = grit.proposal_generator(levels)
    match = nearest(proposals.boxes, expected(f"{name}.proposals.boxes"))
    close("boxes, pixels", proposals.boxes[match], "proposals.boxes")
    close("scores", proposals.scores[match], "proposals.scores")
    size = (frames.shape[-2], frames.shape[-1])
    boxes = proposals.boxes[match]
    for number, (head, predictor) in enumerate(grit.roi_heads.stages):
        official = expected(f"{name}.stage{number}.in_boxes")
        close("boxes, pixels", boxes, f"stage{number}.in_boxes")
        features = pooled(levels[:3], [official], 7)
        sampled = features.transpose(1, 2).unflatten(2, (7, 7))[::32, ::16]
        close("features of boxes", sampled, f"stage{number}.pool7_sample")
        logits, deltas = predictor(head(features))
        close("judgements", logits, f"stage{number}.cls_logits")
        close("judgements", deltas, f"stage{number}.deltas")
        boxes = cascade.moved(boxes, predictor(head(pooled(levels[:3], [boxes], 7)))[1], number, size)
    [judged] = cascade.judged(grit.roi_heads.stages, levels[:3], [proposals], size)
    assert_close("GRiT boxes, pixels", judged.boxes[match], clipped(expected(f"{name}.box.boxes_all"), *size))
    assert_close("GRiT scores", judged.scores[match], expected(f"{name}.box.scores_all")[:, 0])
    features = pooled(levels[:3], [expected(f"{name}.box.kept_boxes")], 14)
    close("features of boxes", features.transpose(1, 2).unflatten(2, (14, 14))[:, ::32], "pool14_sample")
    scores, tokenizer = expected(f"{name}.box.kept_scores"), words(tmp_path)
    for key, texts in zip(("text", "text_det"), grit.describe(features, [CAPTION, OBJECT]), strict=True):
        assert texts.tokens.tolist() == expected(f"{name}.{key}.tokens").tolist()
        close("probability of texts", texts.log_probability, f"{key}.logprobs")
        close("scores with texts", (scores * texts.log_probability.exp()).sqrt(), f"{key}.final_scores")
        descriptions = [tokenizer.text(tokens[1:]) for tokens in texts.tokens.tolist()]
        assert descriptions == OFFICIAL["images"][name][f"{key}_descriptions"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", ["small", "large"])
def test_objects_as_the_dimensions_see_them(grit: GRiT, name: str, tmp_path: Path) -> None:
    official = OFFICIAL["images"][name]
    [found] = grit.find(grit_input(image(name), opencv=False))
    assert_close("GRiT boxes, pixels", found.boxes.boxes, expected(f"{name}.box.kept_boxes"))
    assert_close("GRiT scores", found.boxes.scores, expected(f"{name}.box.kept_scores"))
    assert found.boxes.boxes.int().tolist() == [box for _, box in official["official_caption_tuples"]]
    tokenizer = words(tmp_path)
    for key, texts in zip(("text", "text_det"), grit.describe(found.features, [CAPTION, OBJECT]), strict=True):
        for row in agreeing(texts, expected(f"{name}.{key}.tokens"), official[f"{key}_min_top2_gap_per_step"]):
            assert tokenizer.text(texts.tokens[row].tolist()[1:]) == official[f"{key}_descriptions"][row]


def nearest(boxes: Tensor, official: Tensor) -> Tensor:
    """Which box is each official one: two of almost equal score may have changed places. Each is used once."""
    match = torch.cdist(official, boxes).argmin(dim=1)
    assert sorted(match.tolist()) == list(range(len(boxes)))
    return match


def words(folder: Path) -> BertTokenizer:
    path = folder / "vocab.txt"
    path.write_bytes(gzip.decompress(VOCABULARY.read_bytes()))
    return BertTokenizer(path)


def agreeing(written: Texts, official: Tensor, gaps: list[float]) -> list[int]:
    """The texts that equal the official ones: all but those that part where two words are as good as each other."""
    length = min(written.tokens.shape[1], official.shape[1])
    same = []
    for row, (ours, theirs) in enumerate(zip(written.tokens[:, :length], official[:, :length], strict=True)):
        different = (ours != theirs).nonzero()
        if len(different) == 0:
            same.append(row)
        else:
            assert gaps[different[0, 0] - 1] < NARROW, f"text {row} parts at word {different[0, 0]}"
    assert len(same) >= len(official) - 1
    return same
