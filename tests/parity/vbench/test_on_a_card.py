"""Scorers with ``device="cuda"``, on a card that isn't there: the CPU's scores, and nothing that a card refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nova_bench.config.catalog import SCORERS
from nova_bench.config.metadata import Metadata
from nova_bench.networks.numerics import Precision
from nova_bench.scorers.base import Sample, Score, ScorerContext
from nova_bench.video import read_clip
from tests.card_marks import needs_driver
from tests.fake_card import fake_card

CLIPS = Path(__file__).parents[2] / "data" / "vbench_clips"
FILES = ("r8_small_120x112_8fps_4f.mp4", "r5_short_160x136_10fps_2f.mp4")
FAST = ("dynamic_degree", "background_consistency")
SLOW = ("imaging_quality", "appearance_style", "motion_smoothness", "subject_consistency", "aesthetic_quality")


def scored(name: str, context: ScorerContext, precision: Precision) -> list[Score]:
    info = SCORERS.get(name)
    stated: dict[str, Any] = {"appearance_style": "in cyberpunk style"} if name == "appearance_style" else {}
    metadata = Metadata.of(stated).read(info.reads)
    samples = [Sample(read_clip(CLIPS / file), prompt="a person is dancing", metadata=metadata) for file in FILES]
    return list(info.build(info.settings(precision=precision), context).score(samples))


@pytest.mark.parametrize("name", [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_scores_are_the_cpu_s(name: str, rule_context: ScorerContext) -> None:
    expected = scored(name, rule_context, "float32")
    with fake_card() as card:
        found = scored(name, ScorerContext("cuda", rule_context.asset), "float32")
        assert card.peak > 2**20, "the network ran on the card"
    for one, other in zip(found, expected, strict=True):
        assert one.reason == other.reason
        assert one.value == (other.value and pytest.approx(other.value, rel=2e-4, abs=1e-6))
    assert [score.notes for score in found] == [score.notes for score in expected]


@pytest.mark.parametrize("name", ["background_consistency", pytest.param("aesthetic_quality", marks=pytest.mark.slow)])
def test_the_official_precision_stays_on_the_card(name: str, rule_context: ScorerContext) -> None:
    expected = scored(name, rule_context, "float32")
    with fake_card():
        found = scored(name, ScorerContext("cuda", rule_context.asset), "official-cuda")
    assert [score.value for score in found] == pytest.approx([score.value for score in expected], rel=2e-2)


@needs_driver
@pytest.mark.parametrize("name", ["umt_reduced", "viclip_reduced"])
def test_the_largest_networks_in_miniature(name: str, plain_network: Callable[[str], nn.Module]) -> None:
    """Those of human action, temporal style and overall consistency, which take minutes at full size."""
    mine = plain_network(name)
    frames = torch.randn(1, 16 if name == "umt_reduced" else 8, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    seen = mine if name == "umt_reduced" else mine.vision_encoder
    with torch.inference_mode():
        expected = seen(frames)
        with fake_card() as card:
            mine.to("cuda")
            found = seen(frames.to("cuda"))
            assert found.is_cuda
            torch.testing.assert_close(found.cpu(), expected, rtol=1e-3, atol=1e-3)
            assert card.peak > 2**20
