"""VBench's temporal flickering: how little consecutive frames differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nova_bench.config.fields import ScorerSettings
from nova_bench.scorers.base import Score, ScorerContext, ScorerInfo
from nova_bench.scorers.pairing import FramePairs
from nova_bench.scorers.streaming import Measurement, StreamingScorer
from nova_bench.video.source import FrameSource

if TYPE_CHECKING:
    import numpy as np


class TemporalFlickeringSettings(ScorerSettings):
    """No choices: the official formula. (VBench applies it to videos that its static filter kept.)"""


class TemporalFlickering(StreamingScorer):
    """(255 - mean over pairs of mean |x[i+1] - x[i]|) / 255 on uint8 RGB, as in VBench's temporal_flickering.py.

    Differences are summed exactly as integers; the official float32 means agree to about 1e-7.
    Details: ``mae``, the mean absolute difference of each pair in levels of 0-255.
    """

    def __init__(self, settings: TemporalFlickeringSettings, context: ScorerContext):
        del settings, context  # nothing to choose, and plain integer sums are fastest on the CPU

    def begin(self, video: FrameSource) -> Measurement:
        return _Differences()


class _Differences(Measurement):
    """Sums of absolute differences between consecutive frames."""

    def __init__(self) -> None:
        self._last: np.ndarray | None = None
        self._sums: list[int] = []

    def add(self, frames: Sequence[np.ndarray], references: Sequence[np.ndarray]) -> None:
        import cv2

        for frame in frames:
            if self._last is not None:
                self._sums.append(int(cv2.norm(self._last, frame, cv2.NORM_L1)))
            self._last = frame
        self._last = None if self._last is None else self._last.copy()

    def finish(self, pairs: FramePairs | None) -> Score:
        if self._last is None or not self._sums:
            return Score(None, reason="one frame: flickering needs at least two")
        per_frame = self._last.size
        mean = sum(self._sums) / (per_frame * len(self._sums))
        return Score((255 - mean) / 255, details={"mae": [total / per_frame for total in self._sums]})


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
    streams=True,
    even_frames=True,
)
