"""LPIPS and ST-LPIPS: how different two frames look to a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nova_bench.networks.batching import batch_size, in_batches
from nova_bench.networks.frames import to_float
from nova_bench.networks.numerics import numerics
from nova_bench.scorers.base import ScorerContext, ScorerInfo
from nova_bench.scorers.fidelity.frames import FidelitySettings, FrameMeans
from nova_bench.scorers.streaming import Measurement, StreamingScorer
from nova_bench.video.source import FrameSource

if TYPE_CHECKING:
    import numpy as np

    from nova_bench.networks.perceptual import PerceptualDistance

_LPIPS_ASSETS = ("alexnet", "lpips-alex")
_ST_LPIPS_ASSETS = ("stlpips-alex",)


class LPIPS(StreamingScorer):
    """LPIPS 0.1 with AlexNet, as the package `lpips` computes it; mean over frames. Details: ``per_frame``.

    Runs in float32 without TF32, on batches of one video's frames, so that other videos change nothing.
    """

    needs_reference = True

    def __init__(self, settings: FidelitySettings, context: ScorerContext):
        from nova_bench.networks.perceptual import AlexNetFeatures, LinearHeads, PerceptualDistance
        from nova_bench.networks.weights import load_network

        trunk, heads = (context.asset(name) for name in _LPIPS_ASSETS)
        self._settings, self._device = settings, context.device
        self._distance = PerceptualDistance(
            load_network(AlexNetFeatures, trunk, AlexNetFeatures.official_keys),
            load_network(LinearHeads, heads, LinearHeads.official_keys),
        ).to(context.device)

    def begin(self, video: FrameSource) -> Measurement:
        return _means(video, self._distance, self._settings, self._device, LPIPS_INFO.name)


class ShiftTolerantLPIPS(StreamingScorer):
    """ST-LPIPS with AlexNet, as the package `stlpips_pytorch` computes it; mean over frames. Details: ``per_frame``.

    Not LPIPS: a different network with different weights; its numbers can't be compared with LPIPS's.
    """

    needs_reference = True

    def __init__(self, settings: FidelitySettings, context: ScorerContext):
        from nova_bench.networks.perceptual import (
            LinearHeads,
            PerceptualDistance,
            ShiftTolerantFeatures,
        )
        from nova_bench.networks.weights import load_network

        (path,) = (context.asset(name) for name in _ST_LPIPS_ASSETS)
        self._settings, self._device = settings, context.device
        self._distance = PerceptualDistance(
            load_network(ShiftTolerantFeatures, path, ShiftTolerantFeatures.official_keys),
            load_network(LinearHeads, path, LinearHeads.official_keys),
        ).to(context.device)

    def begin(self, video: FrameSource) -> Measurement:
        return _means(video, self._distance, self._settings, self._device, ST_LPIPS_INFO.name)


def _means(
    video: FrameSource, distance: PerceptualDistance, settings: FidelitySettings, device: str, scorer: str
) -> FrameMeans:
    height, width, smallest, reason = video.height, video.width, distance.trunk.smallest_side, ""
    if min(height, width) < smallest:
        reason = f"{width}x{height} is too small: {scorer} needs sides of {smallest} pixels"

    def compare(frames: Sequence[np.ndarray], references: Sequence[np.ndarray]) -> list[float]:
        import numpy as np
        import torch

        def of(indices: Sequence[int]) -> list[float]:
            part = slice(indices[0], indices[-1] + 1)
            sides = (torch.from_numpy(np.stack(side[part])) for side in (frames, references))
            return distance(*(to_float(side, device) for side in sides)).tolist()

        with numerics("float32"):
            return list(in_batches(range(len(frames)), len(frames), of))

    return FrameMeans(settings, compare, batch_size(device, distance.bytes_per_pair(height, width)), reason)


LPIPS_INFO = ScorerInfo(
    name="lpips",
    summary="LPIPS (AlexNet) to a reference video, mean over frames",
    version="2",
    unit="",
    range=(0.0, None),
    higher_is_better=False,
    source="Zhang et al., CVPR 2018 (arXiv 1801.03924); equals the package lpips 0.1.4",
    factory=f"{__name__}:LPIPS",
    settings=FidelitySettings,
    needs_reference=True,
    streams=True,
    even_frames=True,
    assets=_LPIPS_ASSETS,
)

ST_LPIPS_INFO = ScorerInfo(
    name="st_lpips",
    summary="Shift-tolerant LPIPS (AlexNet) to a reference video, mean over frames; not LPIPS",
    version="2",
    unit="",
    range=(0.0, None),
    higher_is_better=False,
    source="Ghildyal and Liu, ECCV 2022 (arXiv 2207.13686); equals the package stlpips_pytorch 0.0.2",
    factory=f"{__name__}:ShiftTolerantLPIPS",
    settings=FidelitySettings,
    needs_reference=True,
    streams=True,
    even_frames=True,
    assets=_ST_LPIPS_ASSETS,
)
