"""VBench's motion smoothness: can every second frame be interpolated from its neighbours?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nova_bench.networks.batching import batch_size, in_batches
from nova_bench.networks.frames import padded, padding, to_float
from nova_bench.networks.numerics import numerics
from nova_bench.scorers.base import Sample, Score, ScorerContext, ScorerInfo
from nova_bench.scorers.vbench.settings import NetworkSettings

if TYPE_CHECKING:
    import torch

    from nova_bench.video import Clip

_ASSET = "amt-s"
_LEVELS = 255.0


class MotionSmoothnessSettings(NetworkSettings):
    """Settings of motion smoothness."""


class MotionSmoothness:
    """(255 - mean over odd frames of mean |AMT-S interpolation of its neighbours - frame|) / 255.

    Interpolations are truncated to uint8 and compared in whole levels, at full resolution on every device: the
    official motion_smoothness.py intends to shrink large videos on CUDA, but its condition never holds. A last frame
    without a right neighbour is left out. Details: ``frame_diffs``, in levels of 0-255.
    """

    def __init__(self, settings: MotionSmoothnessSettings, context: ScorerContext):
        from nova_bench.kernels.layers import speed_up
        from nova_bench.networks.amt import AMT
        from nova_bench.networks.weights import load_network

        self._settings, self._device = settings, context.device
        self._network = speed_up(load_network(AMT, context.asset(_ASSET), entry="state_dict"), context.device)

    def score(self, batch: Sequence[Sample]) -> list[Score]:
        with numerics(self._settings.precision):
            return [self._score_one(sample.clip) for sample in batch]

    def _score_one(self, clip: Clip) -> Score:
        from nova_bench.networks.amt import MULTIPLE, SMALLEST_SIDE, bytes_per_pair

        count, height, width = clip.frames.shape[:3]
        if count < 3:
            return Score(None, reason=f"{count} frames: a frame between two others needs at least three")
        if min(length + -length % MULTIPLE for length in (height, width)) < SMALLEST_SIDE:
            smallest = SMALLEST_SIDE - MULTIPLE + 1
            # The official code casts NaN to uint8, which C leaves undefined: there is no number to agree with.
            return Score(None, reason=f"{width}x{height}: AMT-S gives nothing where a side is below {smallest} pixels")
        middles = range(1, count - 1, 2)
        size = batch_size(self._device, bytes_per_pair(self._device, height, width))
        diffs = list(in_batches(middles, size, lambda part: self._differences(clip.frames, part)))
        return Score((_LEVELS - sum(diffs) / len(diffs)) / _LEVELS, details={"frame_diffs": diffs})

    def _differences(self, frames: torch.Tensor, middles: Sequence[int]) -> list[float]:
        """Mean absolute difference between each of these frames and its interpolation, in levels."""
        import torch

        from nova_bench.networks.amt import MULTIPLE

        middles = list(middles)
        around = sorted({frame + step for frame in middles for step in (-1, 1)})
        images = padded(to_float(frames[around], self._device) / _LEVELS, MULTIPLE)
        height, width = frames.shape[1:3]
        left, _, top, _ = padding(height, width, MULTIPLE)
        position = {frame: index for index, frame in enumerate(around)}
        before, after = (images[[position[frame + step] for frame in middles]] for step in (-1, 1))
        made = self._network(before, after)[..., top : top + height, left : left + width]
        levels = (made * _LEVELS).to(torch.uint8).int()  # truncates
        truth = frames[middles].to(self._device).permute(0, 3, 1, 2).int()
        sums = (levels - truth).abs().sum(dim=(1, 2, 3), dtype=torch.int64)
        return [total / (3 * height * width) for total in sums.tolist()]


INFO = ScorerInfo(
    name="motion_smoothness",
    summary="VBench motion smoothness: how well AMT-S interpolates every second frame",
    version="2",
    unit="",
    range=(0.0, 1.0),
    higher_is_better=True,
    source="VBench 1.0 (arXiv 2311.17982), motion_smoothness.py",
    factory=f"{__name__}:MotionSmoothness",
    settings=MotionSmoothnessSettings,
    assets=(_ASSET,),
    even_frames=True,
)
