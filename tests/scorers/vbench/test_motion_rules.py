"""The verdicts of dynamic degree and the static filter, on made-up pair scores: the official loops, cheaper."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_bench.scorers.base import Sample, Score, ScorerContext
from nova_bench.scorers.vbench import dynamic_degree, static_filter
from nova_bench.scorers.vbench.dynamic_degree import CorrectedDynamicDegree, DynamicDegree, DynamicDegreeSettings
from nova_bench.scorers.vbench.pair_motion import UNMEASURED
from nova_bench.scorers.vbench.static_filter import CorrectedStaticFilter, StaticFilter, StaticFilterSettings

from ..conftest import clip_of

Pair = tuple[int, int]
CONTEXT = ScorerContext("cpu", lambda name: pytest.fail(f"asked for {name}"))
PAIRS = st.lists(st.sampled_from([0.1, 2.9, 3.1, 9.0]), min_size=1, max_size=40)


class MadeUp:
    """Stands in for RAFT: scores by pair, and which pairs were asked for."""

    def __init__(self, scores: dict[Pair, float]):
        self.by_pair, self.asked = scores, []

    def __call__(self, network: object, frames: torch.Tensor, device: str, share: float) -> MadeUp:
        return self

    def scores(self, pairs: list[Pair]) -> list[float]:
        self.asked += pairs
        return [self.by_pair[pair] for pair in pairs]


def judge(scorer: type, settings: Any, motion: MadeUp, frames: int, side: int = 128, fps: int = 8) -> Score:
    with pytest.MonkeyPatch.context() as patch:
        for module in (dynamic_degree, static_filter):
            patch.setattr(module, "load_raft", lambda context: None)
            patch.setattr(module, "PairMotion", motion)
        clip = clip_of(np.zeros((frames, side, side, 3), np.uint8), fps)
        return scorer(settings, CONTEXT).score([Sample(clip)])[0]


def consecutive(scores: list[float]) -> dict[Pair, float]:
    return dict(zip(pairwise(range(len(scores) + 1)), scores, strict=True))


def official_moves(scores: list[float], threshold: float, needed: int) -> bool:
    count = 0
    for score in scores:
        count += score > threshold
        if count >= needed:
            return True
    return False


def official_static(scores: list[float], ends: list[float], threshold: float, allowed: int) -> bool:
    count = 0
    for score in scores:
        count += score > threshold
        if count > allowed:
            return False
    return not any(score > threshold * allowed * 2 for score in ends)


@settings(max_examples=200, deadline=None)
@given(scores=PAIRS)
def test_dynamic_degree_agrees_with_the_official_loop(scores: list[float]) -> None:
    motion = MadeUp(consecutive(scores))
    result = judge(DynamicDegree, DynamicDegreeSettings(), motion, len(scores) + 1)
    threshold, needed = result.details["threshold"], result.details["count_needed"]
    assert (threshold, needed) == (3.0, round((len(scores) + 1) / 4))
    assert result.value == official_moves(scores, threshold, needed)
    seen = result.details["pair_scores"]
    assert seen == scores[: len(seen)]
    assert motion.asked == list(consecutive(scores))[: len(seen)]
    # No fewer pairs would do: before the last one the verdict was still open.
    if seen:
        above = sum(score > threshold for score in seen[:-1])
        assert above < needed <= above + len(scores) - len(seen) + 1


@settings(max_examples=200, deadline=None)
@given(scores=PAIRS, ends=st.tuples(st.sampled_from([0.1, 2.0, 7.0, 50.0]), st.sampled_from([0.1, 2.0, 7.0, 50.0])))
def test_static_filter_agrees_with_the_official_loop(scores: list[float], ends: tuple[float, float]) -> None:
    last = len(scores)
    by_pair = {(last, 0): ends[1], **consecutive(scores)}
    by_pair.setdefault((0, last), ends[0])  # of two frames, the one pair is both
    both = [by_pair[0, last], ends[1]]
    exhaustive, quick = MadeUp(by_pair), MadeUp(by_pair)
    full = judge(StaticFilter, StaticFilterSettings(early_exit=False), exhaustive, last + 1)
    result = judge(StaticFilter, StaticFilterSettings(), quick, last + 1)
    threshold, allowed = result.details["threshold"], result.details["count_allowed"]
    assert (threshold, allowed) == (1.5, round((last + 1) / 8))
    assert full.value == result.value == official_static(scores, both, threshold, allowed)
    assert full.details["pair_scores"] == scores
    assert full.details["end_scores"] == both
    assert len(quick.asked) <= len(exhaustive.asked) == last + 2


@pytest.mark.parametrize(("fps", "interval"), [(4, 1), (8, 1), (12, 2), (16, 2), (20, 2), (24, 3), (60, 8)])
def test_frames_are_thinned_out_to_about_eight_per_second(fps: int, interval: int) -> None:
    frames = 4 * interval + 1
    result = judge(DynamicDegree, DynamicDegreeSettings(), MadeUp(consecutive([9.0] * 4)), frames, fps=fps)
    assert result.details["interval"] == interval
    assert result.details["sampled_frames"] == 5
    assert result.value == 1.0


def no_pairs() -> MadeUp:
    return MadeUp({})


@pytest.mark.parametrize(
    ("scorer", "corrected", "settings", "official"),
    [
        (DynamicDegree, CorrectedDynamicDegree, DynamicDegreeSettings, 0.0),
        (StaticFilter, CorrectedStaticFilter, StaticFilterSettings, 1.0),
    ],
)
def test_sides_that_raft_cannot_measure(scorer: type, corrected: type, settings: Callable, official: float) -> None:
    told = judge(scorer, settings(), no_pairs(), 9, side=120)
    assert told.value == official
    assert "below 121 pixels" in told.details["warning"]
    assert told.notes == (UNMEASURED,)
    mended = judge(corrected, settings(), no_pairs(), 9, side=120)
    assert mended.value is None
    assert "below 121 pixels" in mended.reason
    assert judge(scorer, settings(), no_pairs(), 9, side=56).value is None  # the official code fails there


def test_two_sampled_frames_always_move() -> None:
    """round(4 * 2 / 16) = 0 pairs are needed: true after any first pair, whatever it measures."""
    assert judge(DynamicDegree, DynamicDegreeSettings(), no_pairs(), 2).value == 1.0
    assert judge(DynamicDegree, DynamicDegreeSettings(), no_pairs(), 2, side=120).value == 1.0


def test_videos_too_short_to_compare_frames() -> None:
    short = judge(DynamicDegree, DynamicDegreeSettings(), no_pairs(), 3, fps=24)
    assert short.value == 0.0  # officially: no pair, so no motion
    assert "too short" in short.details["warning"]
    corrected = judge(CorrectedDynamicDegree, DynamicDegreeSettings(), no_pairs(), 3, fps=24)
    assert corrected.value is None
    assert judge(StaticFilter, StaticFilterSettings(), no_pairs(), 1).value is None
