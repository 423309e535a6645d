"""Peak signal-to-noise ratio."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from nova_bench.scorers.base import Score, ScorerContext, ScorerInfo
from nova_bench.scorers.fidelity.frames import FidelitySettings, FrameMeans
from nova_bench.scorers.streaming import Measurement, StreamingScorer
from nova_bench.video.source import FrameSource

if TYPE_CHECKING:
    import numpy as np


class PSNRSettings(FidelitySettings):
    """Choices of PSNR."""

    cap: float = Field(default=100.0, gt=0, allow_inf_nan=False)
    """Upper limit of a frame in dB. Identical frames have infinite PSNR; 100 dB is what libaom and libvpx report."""


class PSNR(StreamingScorer):
    """Mean over frames of 10 log10(255^2 / MSE), MSE over all RGB values of a frame.

    Squared errors are summed exactly as integers, so no thread count or device changes a digit.
    Details: ``per_frame`` in dB, and how many frames were ``capped``.
    """

    needs_reference = True

    def __init__(self, settings: PSNRSettings, context: ScorerContext):
        del context  # exact integer sums are fastest on the CPU, where the frames are
        self.settings = settings

    def begin(self, video: FrameSource) -> Measurement:
        return _CappedMean(self.settings)


class _CappedMean(FrameMeans):
    def __init__(self, settings: PSNRSettings):
        super().__init__(settings, _psnr)
        self._cap = settings.cap

    def score(self, per_frame: list[float], details: dict) -> Score:
        capped = [min(value, self._cap) for value in per_frame]
        count = sum(value > self._cap for value in per_frame)
        return Score(math.fsum(capped) / len(capped), details={"per_frame": capped, "capped": count, **details})


def _psnr(videos: Sequence[np.ndarray], references: Sequence[np.ndarray]) -> list[float]:
    """Decibels of each pair of uint8 frames; infinite for equal ones."""
    import cv2

    values = []
    for video, reference in zip(videos, references, strict=True):
        # OpenCV returns the square of a square root: rounding restores the integer.
        mse = round(cv2.norm(video, reference, cv2.NORM_L2SQR)) / video.size
        values.append(10 * math.log10(255**2 / mse) if mse else math.inf)
    return values


INFO = ScorerInfo(
    name="psnr",
    summary="Peak signal-to-noise ratio against a reference video, mean over frames",
    version="2",
    unit="dB",
    range=(0.0, None),
    higher_is_better=True,
    source="10 log10(255^2 / MSE) over RGB, per frame",
    factory=f"{__name__}:PSNR",
    settings=PSNRSettings,
    needs_reference=True,
    digits=2,
    streams=True,
    even_frames=True,
)
