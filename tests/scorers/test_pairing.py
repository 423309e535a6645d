"""Frames of a video meet those of its reference that are shown at the same time, or the sample fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_bench.core.errors import MediaError
from nova_bench.scorers.base import Sample
from nova_bench.scorers.fidelity.psnr import PSNR, PSNRSettings
from nova_bench.scorers.pairing import FramePairs
from nova_bench.video import Clip
from nova_bench.video.source import FrameChunk, FrameSource, source_of

from .conftest import clip_of

MS = Fraction(1, 1000)
TICKS = st.tuples(*[st.sampled_from([MS, None])] * 2)
RATES = st.sampled_from([Fraction(8), Fraction(12), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(60)])


def timed(times: Sequence[Fraction], fps: Fraction | int, tick: Fraction | None = MS, name: str = "v.mkv") -> Clip:
    """A clip whose frames are told apart by their first pixel: their indices."""
    frames = np.zeros((len(times), 4, 4, 3), np.uint8)
    frames[:, 0, 0, 0] = np.arange(len(times))
    return replace(clip_of(frames, fps, name), times=tuple(times), tick=tick)


def regular(count: int, fps: Fraction | int, tick: Fraction | None = MS, name: str = "v.mkv") -> Clip:
    """Constant rate, time stamps rounded to the clock as containers do."""
    times = [Fraction(index) / fps for index in range(count)]
    return timed([round(time / tick) * tick for time in times] if tick else times, fps, tick, name)


def paired(video: Clip, reference: Clip, align: str = "time") -> tuple[list[tuple[int, int]], FramePairs]:
    pairs = FramePairs(source_of(video), source_of(reference), align)
    found = [
        (int(frame[0, 0, 0]), int(other[0, 0, 0]))
        for chunk in source_of(video).chunks
        for frames, references in pairs.of(chunk)
        for frame, other in zip(frames, references, strict=True)
    ]
    pairs.finish()
    return found, pairs


@given(fps=RATES, count=st.integers(1, 50), times=st.integers(1, 5), ticks=TICKS)
def test_one_rate_may_be_a_multiple_of_the_other(fps, count, times, ticks) -> None:
    slow, fast = regular(count, fps, ticks[0], "slow.mkv"), regular(count * times, fps * times, ticks[1], "fast.mkv")
    found, pairs = paired(slow, fast)
    assert found == [(index, index * times) for index in range(count)]
    assert pairs.problem is None
    swapped, back = paired(fast, slow)
    assert swapped == [(b, a) for a, b in found]
    assert back.problem is None
    if times == 1:
        assert pairs.notes == ()
    elif count > 1:
        assert pairs.notes[0].startswith(f"reference at {times}x the video's frame rate: ")
        assert back.notes[0].startswith(f"video at {times}x the reference's frame rate: ")
        assert (pairs.left_out, back.left_out) == (False, True)


@given(
    fps=RATES,
    count=st.integers(2, 40),
    times=st.integers(1, 3),
    jitter=st.lists(st.integers(-8, 8), min_size=40, max_size=40),
)
def test_jitter_below_one_percent_of_the_interval_changes_nothing(fps, count, times, jitter) -> None:
    slow = regular(count, fps, None)
    moved = [time + Fraction(step, 1000) / fps for time, step in zip(slow.times, jitter, strict=False)]
    found, pairs = paired(replace(slow, times=(Fraction(0), *moved[1:])), regular(count * times, fps * times, None))
    assert found == [(index, index * times) for index in range(count)]
    assert pairs.problem is None


@given(fps=RATES, count=st.integers(3, 40), at=st.integers(1, 38), percent=st.sampled_from([-40, -3, 3, 40]))
def test_a_frame_beyond_the_tolerance_has_no_partner(fps, count, at, percent) -> None:
    at = min(at, count - 2)
    clip = regular(count, fps, None)
    times = list(clip.times)
    times[at] += Fraction(percent, 100) / fps
    with pytest.raises(MediaError, match=r"shown at different times.*reference\.align=index"):
        paired(replace(clip, times=tuple(times)), clip)


@pytest.mark.parametrize(("video", "reference"), [(24, 30), (25, 24), (12, 25), (24, Fraction(24000, 1001))])
def test_rates_that_are_no_multiples_are_refused(video, reference) -> None:
    # 50 s: over a short time 24 and 23.976 frames per second can't be told apart.
    long = regular(50 * int(video), video, None, "video.mkv"), regular(int(50 * reference), reference, None, "ref.mkv")
    with pytest.raises(MediaError, match=r"video\.mkv: .* frames per second, but its reference ref\.mkv has .*"):
        paired(*long)


def test_a_shorter_reference_is_refused_or_compared_as_far_as_it_goes() -> None:
    video, reference = regular(24, 12, name="video.mkv"), regular(24, 24, name="ref.mkv")
    found, pairs = paired(video, reference)
    assert found == [(index, 2 * index) for index in range(12)]
    assert "2.00 s at 12 frames per second" in str(pairs.problem)
    assert "1.00 s at 24" in str(pairs.problem)
    scorer, choice = PSNR(PSNRSettings(), None), PSNR(PSNRSettings(frames="common"), None)
    with pytest.raises(MediaError, match=r"reference\.align=index"):
        scorer.score([Sample(video, reference)])
    assert len(choice.score([Sample(video, reference)])[0].details["per_frame"]) == 12


@pytest.mark.parametrize(
    ("video", "reference", "fits"),
    [
        ((24, 12), (48, 24), True),
        ((24, 12), (47, 24), True),  # half a frame of the slower side less
        ((24, 12), (49, 24), True),
        ((24, 12), (46, 24), False),  # the video's last frame has no partner
        ((24, 12), (51, 24), False),
        ((24, 12), (24, 12), True),
        ((24, 12), (25, 12), False),
        ((25, 12), (24, 12), False),
        ((1, 12), (2, 24), True),
        ((1, 12), (24, 24), False),
    ],
)
def test_lengths(video, reference, fits) -> None:
    _, pairs = paired(regular(*video), regular(*reference))
    assert (pairs.problem is None) == fits


def test_by_index_for_those_who_mean_it() -> None:
    video, reference = regular(24, 12), regular(24, 24)
    found, pairs = paired(video, reference, "index")
    assert found == [(index, index) for index in range(24)]
    assert pairs.problem is None
    (note,) = pairs.notes
    assert "paired by index" in note
    assert paired(video, video, "index")[1].notes == ()
    assert "24 frames" in str(paired(video, regular(23, 12), "index")[1].problem)


def test_without_times_the_rate_counts_and_without_a_rate_the_index() -> None:
    frames = np.zeros((24, 4, 4, 3), np.uint8)
    found, pairs = paired(clip_of(frames, 12), clip_of(np.zeros((48, 4, 4, 3), np.uint8), 24))
    assert (len(found), pairs.problem) == (24, None)
    found, pairs = paired(clip_of(frames, None), regular(24, 24))
    assert (len(found), pairs.problem, pairs.notes) == (24, None, ())


def test_dropped_frames_are_passed_over_and_noted() -> None:
    whole = regular(24, 12)
    kept = [index for index in range(24) if index not in (5, 6, 13)]
    video = timed([whole.times[index] for index in kept], 12)
    found, pairs = paired(video, whole)
    assert found == list(enumerate(kept))
    assert pairs.problem is None
    assert pairs.notes == ("reference: frames at whose time the video has none are not compared",)


def in_chunks(clip: Clip, sizes: Sequence[int]) -> FrameSource:
    """The clip as a stream; a chunk's memory is overwritten when the next one is asked for."""

    def chunks():
        start, turn = 0, 0
        while start < clip.frame_count:
            size = sizes[turn % len(sizes)]
            part = clip.frames[start : start + size].numpy().copy()
            yield FrameChunk(part, clip.times[start : start + size])
            part[:] = 77
            start, turn = start + size, turn + 1

    return replace(source_of(clip), frame_count=None, chunks=chunks())


CHUNKS = st.lists(st.integers(1, 7), min_size=1, max_size=4)
