"""GRiT in miniature: nothing depends on what shares a batch, and kept keys and values change nothing."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from nova_bench.networks.grit.config import GRiTConfig
from nova_bench.networks.grit.grit import Found, GRiT
from nova_bench.networks.grit.text_decoder import CAPTION, OBJECT
from nova_bench.networks.weights import settle
from tests.card_marks import needs_driver
from tests.fake_card import fake_card

TINY = GRiTConfig(
    width=128,
    depth=2,
    global_blocks=(1,),
    window=3,
    trained_side=8,
    channels=64,
    box_width=32,
    text_width=32,
    text_depth=2,
    text_heads=2,
    vocabulary=300,
    text_positions=64,
)


@pytest.fixture(scope="module")
def grit() -> GRiT:
    """Random weights whose boxes are mostly kept."""
    torch.manual_seed(7)
    network = GRiT(TINY).eval().requires_grad_(False)
    settle(network)
    head = network.proposal_generator.centernet_head
    head.agn_hm.weight *= 60
    head.bbox_pred.bias += 3
    for predictor in network.roi_heads.box_predictor:
        predictor.cls_score.bias[0] += 2  # everything is an object
    network.roi_heads.text_decoder.textual.output.weight *= 8
    network.roi_heads.text_decoder.textual.output.bias[102] += 4
    return network


@pytest.fixture(autouse=True)
def _inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


def images(count: int, height: int, width: int) -> Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(height)) * 255


def close(one: Found, other: Found) -> bool:
    return torch.allclose(one.boxes.boxes, other.boxes.boxes, atol=1e-2) and torch.allclose(
        one.features, other.features, atol=1e-3
    )


@pytest.mark.parametrize(("height", "width"), [(64, 96), (97, 61), (33, 40)])
def test_frames_are_seen_alone_or_together(grit: GRiT, height: int, width: int) -> None:
    frames = images(3, height, width)
    together = grit.find(frames)
    assert all(len(found.boxes) > 1 for found in together)
    for frame, found in zip(frames, together, strict=True):
        [alone] = grit.find(frame[None])
        assert close(alone, found)
        assert found.boxes.boxes[:, 2].max() <= width
        assert found.boxes.boxes[:, 3].max() <= height
        assert found.boxes.scores.diff().max() <= 0
        assert found.features.shape == (len(found.boxes), 196, TINY.channels)


def test_texts_do_not_depend_on_their_batch_or_on_one_another(grit: GRiT) -> None:
    features = torch.randn(5, 196, TINY.channels, generator=torch.Generator().manual_seed(1))
    names, captions = grit.describe(features, [OBJECT, CAPTION])
    assert names.tokens[:, 0].tolist() == [101] * 5
    assert captions.tokens[:, 0].tolist() == [104] * 5
    [only_captions] = grit.describe(features, [CAPTION])
    assert only_captions.tokens.tolist() == captions.tokens.tolist()
    lengths = set()
    for row in range(5):
        [alone] = grit.describe(features[row : row + 1], [CAPTION])
        length = alone.tokens.shape[1]
        lengths.add(length)
        assert captions.tokens[row, :length].tolist() == alone.tokens[0].tolist()
        assert set(captions.tokens[row, length:].tolist()) <= {102}
        assert torch.allclose(captions.log_probability[row], alone.log_probability[0], atol=1e-5)
    assert len(lengths) > 1
    repeated = (captions.tokens[:, 1:] == captions.tokens[:, :-1]) & (captions.tokens[:, 1:] != 102)
    assert not repeated[:, 1:].any()


def test_word_by_word_is_the_same_as_all_at_once(grit: GRiT) -> None:
    decoder = grit.roi_heads.text_decoder.textual
    features = torch.randn(2, 196, TINY.channels, generator=torch.Generator().manual_seed(2))
    tokens = torch.tensor([[101, 7, 9, 200], [104, 11, 3, 5]])
    at_once = decoder.logits(decoder.remember(features), tokens, 0)
    memory = decoder.remember(features)
    for step in range(4):
        last = decoder.logits(memory, tokens[:, step : step + 1], step)
    assert torch.allclose(last, at_once, atol=1e-5)


def test_nothing_to_describe_is_no_error(grit: GRiT) -> None:
    [texts] = grit.describe(torch.zeros(0, 196, TINY.channels), [OBJECT])
    assert len(texts.tokens) == 0


def test_an_official_file_may_name_a_tensor_once_or_twice() -> None:
    text, second = "roi_heads.text_decoder.textual.", "roi_heads.text_decoder_det.textual."
    read, written = torch.zeros(2, 3), torch.ones(2, 3)
    names = (f"{text}embedding.words.weight", f"{text}output.weight")
    for state, expected in [
        ({names[0]: read}, read),
        ({names[1]: written}, written),
        ({names[0]: read, names[1]: written}, written),
        ({f"{second}embedding.words.weight": read}, read),
        ({f"{second}embedding.words.weight": read, names[0]: written}, written),
    ]:
        used = GRiT.official_keys({**state, "roi_heads.mask_head.weight": read})
        assert set(used) == set(names)
        assert all(value is expected for value in used.values())


def test_an_image_without_objects(grit: GRiT, monkeypatch: pytest.MonkeyPatch) -> None:
    heat = grit.proposal_generator.centernet_head.agn_hm
    monkeypatch.setattr(heat, "forward", lambda x: torch.full_like(x[:, :1], -30.0))
    found = grit.find(images(2, 64, 64))
    assert [len(one.boxes) for one in found] == [0, 0]
    assert found[0].features.shape == (0, 196, TINY.channels)


@pytest.mark.slow
@needs_driver
def test_on_the_card_it_finds_and_says_the_same(grit: GRiT) -> None:
    frames = images(2, 97, 61)
    expected = grit.find(frames)
    texts = [grit.describe(found.features, [OBJECT, CAPTION]) for found in expected]
    mine = copy.deepcopy(grit)
    with fake_card() as card:
        mine.to("cuda")
        for here, there, said in zip(expected, mine.find(frames.to("cuda")), texts, strict=True):
            assert there.boxes.boxes.is_cuda
            assert torch.allclose(there.boxes.boxes.cpu(), here.boxes.boxes, atol=1e-2)
            for one, other in zip(mine.describe(there.features, [OBJECT, CAPTION]), said, strict=True):
                assert one.tokens.cpu().tolist() == other.tokens.tolist()
        assert card.peak > 0
