"""Peak signal-to-noise ratio."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import Field

from nova_bench.scorers.base import Sample, Score, ScorerContext, ScorerInfo
from nova_bench.scorers.fidelity.frames import FidelitySettings, paired_frames


class PSNRSettings(FidelitySettings):
    """Choices of PSNR."""

    cap: float = Field(default=100.0, gt=0, allow_inf_nan=False)
    """dB a frame gets at most. Identical frames have infinite PSNR; 100 dB is what libaom and libvpx report."""


class PSNR:
    """Mean over frames of 10 log10(255^2 / MSE), MSE over all RGB values of a frame.

    Squared errors are summed exactly as integers, so no thread count or device changes a digit.
    Details: ``per_frame`` in dB, and how many frames were ``capped``.
    """

    def __init__(self, settings: PSNRSettings, context: ScorerContext):
        del context  # exact integer sums are fastest on the CPU, where the frames are
        self.settings = settings

    def score(self, batch: Sequence[Sample]) -> list[Score]:
        return [self._score_one(sample) for sample in batch]

    def _score_one(self, sample: Sample) -> Score:
        import cv2

        exact = []
        for video, reference in paired_frames(sample, self.settings, INFO.name):
            # OpenCV returns the square of a square root: rounding restores the integer.
            mse = round(cv2.norm(video, reference, cv2.NORM_L2SQR)) / video.size
            exact.append(10 * math.log10(255**2 / mse) if mse else math.inf)
        per_frame = [min(value, self.settings.cap) for value in exact]
        capped = sum(value > self.settings.cap for value in exact)
        return Score(math.fsum(per_frame) / len(per_frame), details={"per_frame": per_frame, "capped": capped})


INFO = ScorerInfo(
    name="psnr",
    summary="Peak signal-to-noise ratio against a reference video, mean over frames",
    version="1",
    unit="dB",
    range=(0.0, None),
    higher_is_better=True,
    source="10 log10(255^2 / MSE) over RGB, per frame",
    factory=f"{__name__}:PSNR",
    settings=PSNRSettings,
    needs_reference=True,
    digits=2,
)
