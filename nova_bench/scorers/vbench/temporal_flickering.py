"""VBench's temporal flickering: how little consecutive frames differ."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from nova_bench.scorers.base import Sample, Score, ScorerContext, ScorerInfo, ScorerSettings


class TemporalFlickeringSettings(ScorerSettings):
    """No choices: the official formula. (VBench applies it to videos that its static filter kept.)"""


class TemporalFlickering:
    """(255 - mean over pairs of mean |x[i+1] - x[i]|) / 255 on uint8 RGB, as in VBench's temporal_flickering.py.

    Differences are summed exactly as integers; the official float32 means agree to about 1e-7.
    Details: ``mae``, the mean absolute difference of each pair in levels of 0-255.
    """

    def __init__(self, settings: TemporalFlickeringSettings, context: ScorerContext):
        import cv2

        del settings, context  # nothing to choose, and plain integer sums are fastest on the CPU
        self._distance = lambda first, second: int(cv2.norm(first, second, cv2.NORM_L1))

    def score(self, batch: Sequence[Sample]) -> list[Score]:
        return [self._score_one(sample) for sample in batch]

    def _score_one(self, sample: Sample) -> Score:
        frames = sample.clip.frames.numpy()
        if len(frames) < 2:
            return Score(None, reason="one frame: flickering needs at least two")
        sums = [self._distance(a, b) for a, b in pairwise(frames)]
        per_frame = frames[0].size
        mean = sum(sums) / (per_frame * len(sums))
        return Score((255 - mean) / 255, details={"mae": [total / per_frame for total in sums]})


INFO = ScorerInfo(
    name="temporal_flickering",
    summary="VBench temporal flickering: similarity of consecutive frames",
    version="1",
    unit="",
    range=(0.0, 1.0),
    higher_is_better=True,
    source="VBench 1.0 (arXiv 2311.17982), temporal_flickering.py",
    factory=f"{__name__}:TemporalFlickering",
    settings=TemporalFlickeringSettings,
)
