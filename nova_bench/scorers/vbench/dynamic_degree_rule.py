"""The rule of VBench's dynamic_degree.py for any flow: which frames, which threshold, how many pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fractions import Fraction

    import torch

    from nova_bench.video import Clip

SAMPLES_PER_SECOND = 8  # frames are thinned out to about this rate
THRESHOLD = 6.0  # pixels between sampled frames, for a shorter side of this length:
THRESHOLD_SIDE = 256.0
FASTEST = 0.05  # the share of pixels whose motion counts


def sampling_interval(fps: Fraction) -> int:
    """Interval between the frames that are kept: round(fps / 8), ties to even, at least 1."""
    return max(1, round(fps / SAMPLES_PER_SECOND))


def rule(fps: Fraction, frame_count: int, height: int, width: int) -> dict[str, Any]:
    """The details of a score before any pair is added, for a video of that rate, length and size.

    ``threshold`` is 6 * min(H, W) / 256 pixels and ``count_needed`` round(4 n / 16) pairs must exceed it, of
    n ``sampled_frames``.
    """
    interval = sampling_interval(fps)
    count = -(-frame_count // interval)
    return {
        "pair_scores": [],
        "threshold": THRESHOLD * (min(height, width) / THRESHOLD_SIDE),
        "count_needed": round(4 * (count / 16.0)),
        "interval": interval,
        "sampled_frames": count,
    }


def sampled(clip: Clip) -> tuple[torch.Tensor, dict[str, Any]]:
    """The frames that the rule uses, uint8 [n, H, W, 3], and :func:`rule`. The clip must have a frame rate."""
    assert clip.fps is not None, f"{clip.path} has no frame rate"
    count, height, width = clip.frames.shape[:3]
    return clip.frames[:: sampling_interval(clip.fps)], rule(clip.fps, count, height, width)
