"""A scorer in a package of its own: how sharp the frames of a video are."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from nova_bench.config.fields import ScorerSettings
from nova_bench.scorers.base import Sample, Score, ScorerContext, ScorerInfo


class SharpnessSettings(ScorerSettings):
    """What a suite may set: `{name: sharpness, settings: {every: 4}}`."""

    every: int = Field(default=1, ge=1)
    """Score every n-th frame."""


class Sharpness:
    """Mean over frames of the variance of the Laplacian. Details: ``per_frame``."""

    def __init__(self, settings: SharpnessSettings, context: ScorerContext):
        # A scorer with a network would load context.asset("its-weights") and move it to context.device here.
        del context
        self._settings = settings

    def score(self, batch: Sequence[Sample]) -> list[Score]:
        return [self._score(sample) for sample in batch]

    def _score(self, sample: Sample) -> Score:
        import cv2  # imported when scores are computed, so that `plan` and `--help` stay quick

        frames = sample.clip.frames.numpy()[:: self._settings.every]  # uint8 [T, H, W, 3]
        if min(frames.shape[1:3]) < 3:
            return Score(None, reason="sharpness needs sides of 3 pixels")
        grey = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames)
        values = [float(cv2.Laplacian(frame, cv2.CV_64F).var()) for frame in grey]
        return Score(sum(values) / len(values), details={"per_frame": values})


INFO = ScorerInfo(
    name="sharpness",
    summary="Variance of the Laplacian, mean over frames",
    version="1",
    unit="",
    range=(0.0, None),
    higher_is_better=True,
    source="Pech-Pacheco et al., ICPR 2000",
    factory=f"{__name__}:Sharpness",
    settings=SharpnessSettings,
    digits=1,
)
