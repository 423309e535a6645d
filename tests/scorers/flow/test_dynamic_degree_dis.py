"""The dynamic-degree rule on DIS flow: known displacements, the official sampling, an exact early exit."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_bench.scorers.base import Sample, Score
from nova_bench.scorers.flow.dynamic_degree_dis import DynamicDegreeDIS, DynamicDegreeDISSettings
from nova_bench.video import read_clip

from ..conftest import clip_of, shifting_texture


def score_of(frames: np.ndarray, fps: Fraction | int | None = 8, **choices: object) -> Score:
    scorer = DynamicDegreeDIS(DynamicDegreeDISSettings(**choices), None)
    return scorer.score([Sample(clip_of(frames, fps))])[0]


@pytest.mark.parametrize("shift", [1, 2, 3, 4, 6, 8, 12])
def test_displacement_is_measured(moving, shift: int) -> None:
    """The fastest 5 % of a translation move little more than the whole."""
    score = score_of(moving(4, 256, 256, shift), early_exit=False)
    assert score.details["pair_scores"] == pytest.approx([shift] * 3, rel=0.1)


@pytest.mark.parametrize(
    ("height", "width", "below", "above"), [(256, 256, 5, 7), (128, 256, 2, 4), (256, 128, 2, 4), (512, 512, 10, 14)]
)
def test_threshold_grows_with_the_shorter_side(moving, height: int, width: int, below: int, above: int) -> None:
    still, fast = score_of(moving(4, height, width, below)), score_of(moving(4, height, width, above))
    assert still.details["threshold"] == 6.0 * min(height, width) / 256
    assert (still.value, fast.value) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("fps", "count", "interval", "sampled", "needed"),
    [
        (12, 33, 2, 17, 4),  # 1.5 rounds to 2: NOVA's videos
        (20, 33, 2, 17, 4),  # 2.5 rounds to 2
        (16, 81, 2, 41, 10),
        (Fraction(30000, 1001), 32, 4, 8, 2),
        (4, 10, 1, 10, 2),  # 0.5 rounds to 0, at least 1; 2.5 rounds to 2
        (8, 14, 1, 14, 4),  # 3.5 rounds to 4
        (8, 2, 1, 2, 0),
    ],
)
def test_sampling_follows_the_rule(fps, count: int, interval: int, sampled: int, needed: int) -> None:
    details = score_of(np.zeros((count, 32, 32, 3), np.uint8), fps, early_exit=False).details
    assert (details["interval"], details["sampled_frames"], details["count_needed"]) == (interval, sampled, needed)
    assert len(details["pair_scores"]) == sampled - 1


def test_only_sampled_frames_count(moving) -> None:
    """At 20 fps every second frame is looked at, and those stand still."""
    frames = np.repeat(moving(1, 128, 128, 0), 12, axis=0)
    frames[1::2] = 255 - frames[1::2]
    assert score_of(frames, 20).value == 0.0
    assert score_of(frames, 8).value == 1.0


@settings(max_examples=15, deadline=None)
@given(shifts=st.lists(st.sampled_from([0, 2, 5, 9]), min_size=1, max_size=12), seed=st.integers(0, 99))
def test_early_exit_never_changes_the_value(shifts: list[int], seed: int) -> None:
    texture = shifting_texture(1, 128, 128 + sum(shifts), 0, seed)[0]
    starts = np.cumsum([0, *shifts])
    frames = np.stack([texture[:, start : start + 128] for start in starts])
    early, full = (score_of(frames, preset="ultrafast", early_exit=choice) for choice in (True, False))
    assert early.value == full.value
    pairs = early.details["pair_scores"]
    assert pairs == full.details["pair_scores"][: len(pairs)]
    above = sum(score > full.details["threshold"] for score in full.details["pair_scores"])
    assert full.value == float(above >= full.details["count_needed"])
    assert len(full.details["pair_scores"]) == len(shifts)


def test_early_exit_saves_work(moving) -> None:
    assert len(score_of(moving(16, 128, 128, 9)).details["pair_scores"]) == 4  # 4 of 16 needed
    still = np.repeat(moving(1, 128, 128, 0), 16, axis=0)
    assert len(score_of(still).details["pair_scores"]) == 12  # with 12 of 15 below, 4 can't be reached


def test_two_frames_need_no_motion() -> None:
    """round(4 * 2 / 16) = 0: officially any pair suffices."""
    assert score_of(np.zeros((2, 32, 32, 3), np.uint8)).value == 1.0


@pytest.mark.parametrize(
    ("count", "side", "fps", "reason"),
    [(1, 64, None, "one frame"), (3, 64, None, "no frame rate"), (2, 64, 24, "too short"), (4, 8, 8, "too small")],
)
def test_not_measurable(count: int, side: int, fps: int | None, reason: str) -> None:
    score = score_of(np.zeros((count, side, side, 3), np.uint8), fps)
    assert score.value is None
    assert reason in score.reason


@pytest.mark.parametrize(("height", "width"), [(9, 9), (9, 200), (17, 33), (100, 9)])
def test_odd_sizes_work(moving, height: int, width: int) -> None:
    assert np.isfinite(score_of(moving(3, height, width, 1), early_exit=False).details["pair_scores"]).all()


def test_real_clips(context, vbench_clips) -> None:
    """A camera that moves, and one that does not."""
    scorer = DynamicDegreeDIS(DynamicDegreeDISSettings(), context)
    names = ["r2_bikes_320x136_24fps_24f.mp4", "r4_static_176x144_30000-1001fps_10f.mp4"]
    bikes, static = scorer.score([Sample(read_clip(vbench_clips / name)) for name in names])
    assert (bikes.value, static.value) == (1.0, 0.0)
