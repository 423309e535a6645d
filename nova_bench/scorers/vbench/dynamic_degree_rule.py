"""The rule of VBench's dynamic_degree.py, whatever measures the flow: which frames, which threshold, how many pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from nova_bench.video import Clip

SAMPLES_PER_SECOND = 8  # frames are thinned out to about this rate
THRESHOLD = 6.0  # pixels between sampled frames, for a shorter side of ...
THRESHOLD_SIDE = 256.0
FASTEST = 0.05  # the share of pixels whose motion counts


def sampled(clip: Clip) -> tuple[torch.Tensor, dict[str, Any]]:
    """The frames that the rule looks at, uint8 [n, H, W, 3], and the details of a score that no pair has entered yet.

    Every round(fps / 8)-th frame is kept (ties to even, at least 1). ``threshold`` is 6 * min(H, W) / 256 pixels and
    ``count_needed`` round(4 n / 16) pairs must exceed it. The clip must have a frame rate.
    """
    interval = max(1, round(clip.fps / SAMPLES_PER_SECOND))
    frames = clip.frames[::interval]
    count, height, width = frames.shape[:3]
    return frames, {
        "pair_scores": [],
        "threshold": THRESHOLD * (min(height, width) / THRESHOLD_SIDE),
        "count_needed": round(4 * (count / 16.0)),
        "interval": interval,
        "sampled_frames": count,
    }
