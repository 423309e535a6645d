"""VBench's dynamic-degree rule on OpenCV's DIS flow: a weight-free relative of dynamic_degree, which uses RAFT."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from nova_bench.config.fields import ScorerSettings
from nova_bench.scorers.base import Score, ScorerContext, ScorerInfo
from nova_bench.scorers.pairing import FramePairs
from nova_bench.scorers.streaming import Measurement, StreamingScorer
from nova_bench.scorers.vbench.dynamic_degree_rule import FASTEST, rule, sampling_interval
from nova_bench.video.source import FrameSource

if TYPE_CHECKING:
    from fractions import Fraction

    import numpy as np

_MULTIPLE = 8  # RAFT's input sides; the rule measures the padded flow
_SMALLEST_SIDE = 16  # smaller frames have no 8 x 8 patches for DIS


class DynamicDegreeDISSettings(ScorerSettings):
    """Choices that are not part of VBench's rule."""

    preset: Literal["ultrafast", "fast", "medium"] = "medium"
    """OpenCV's DIS preset: density of patches and refinement, a trade-off of accuracy and speed."""

    early_exit: bool = True
    """Stop at the deciding pair. The value is the same; ``pair_scores`` then ends there."""


class DynamicDegreeDIS(StreamingScorer):
    """1 if a video moves, else 0, by the rule of VBench's dynamic_degree.py with DIS instead of RAFT flow.

    Every round(fps/8)-th frame (ties to even, at least 1) is kept: n frames. A pair's score is the mean of the largest
    5 % of flow magnitudes, in pixels, on frames replicate-padded to multiples of 8. The video moves once
    round(4n/16) pairs score above 6 * min(H, W) / 256. The two flows differ most on fast or untextured motion: compare
    values of this scorer only with each other.

    Details: ``pair_scores``, ``threshold``, ``count_needed``, ``interval``, ``sampled_frames``.
    """

    def __init__(self, settings: DynamicDegreeDISSettings, context: ScorerContext):
        del context  # DIS runs on the CPU
        self.settings = settings

    def begin(self, video: FrameSource) -> Measurement:
        return _Moving(video, self.settings)


class _Moving(Measurement):
    """Flow between sampled frames, and the rule's verdict on it."""

    def __init__(self, video: FrameSource, settings: DynamicDegreeDISSettings):
        import cv2

        self._video, self._early_exit = video, settings.early_exit
        self._flow = cv2.DISOpticalFlow.create(getattr(cv2, f"DISOPTICAL_FLOW_PRESET_{settings.preset.upper()}"))
        side = min(video.height, video.width)
        self._too_small = side + -side % _MULTIPLE < _SMALLEST_SIDE
        self._interval = sampling_interval(video.fps) if video.fps else 1
        self._seen = 0
        self._last: np.ndarray | None = None
        self._scores: list[float] = []
        # In a stream the required number of pairs is known only at the end, so only whole clips end early.
        self._verdict = self._new_verdict(video.fps, video.frame_count) if video.fps and video.frame_count else None

    def add(self, frames: Sequence[np.ndarray], references: Sequence[np.ndarray]) -> None:
        first, self._seen = self._seen, self._seen + len(frames)
        if self._video.fps is None or self._too_small:
            return
        for frame in frames[-first % self._interval :: self._interval]:
            if self._early_exit and self._verdict and self._verdict.certain:
                return
            grey = _padded_grey(frame)
            if self._last is not None:
                self._scores.append(self._pair_score(self._last, grey))
                if self._verdict:
                    self._verdict.add(self._scores[-1])
            self._last = grey

    def finish(self, pairs: FramePairs | None) -> Score:
        video = self._video
        if self._seen < 2:
            return Score(None, reason="one frame: motion needs at least two")
        if video.fps is None:
            return Score(None, reason="no frame rate: the rule samples frames by time")
        if len(range(0, self._seen, self._interval)) < 2:
            return Score(None, reason=f"{self._seen} frames at {float(video.fps):g} fps: too short to sample two")
        if self._too_small:
            return Score(None, reason=f"{video.width}x{video.height} is too small for DIS flow")
        verdict = self._new_verdict(video.fps, self._seen)
        for score in self._scores:
            verdict.add(score)
            if self._early_exit and verdict.certain:
                break
        return Score(float(verdict.moves), details=verdict.details)

    def _new_verdict(self, fps: Fraction, frame_count: int) -> _Verdict:
        return _Verdict(rule(fps, frame_count, self._video.height, self._video.width))

    def _pair_score(self, first: np.ndarray, second: np.ndarray) -> float:
        """Mean of the largest flow magnitudes between two grey frames."""
        import numpy as np

        flow = self._flow.calc(first, second, None)  # type: ignore[call-overload]  # None: no initial flow
        magnitude = np.linalg.norm(flow, axis=-1).ravel()
        fastest = int(magnitude.size * FASTEST)
        return float(np.partition(magnitude, -fastest)[-fastest:].mean(dtype=np.float64))


class _Verdict:
    """Whether a video moves, pair by pair; ``certain`` once no further pair can change the verdict."""

    def __init__(self, details: dict[str, Any]):
        self.details = details
        self.moves = self.certain = False
        self._above = 0

    def add(self, score: float) -> None:
        """Count the next pair."""
        details = self.details
        details["pair_scores"].append(score)
        self._above += score > details["threshold"]
        needed, left = details["count_needed"], details["sampled_frames"] - 1 - len(details["pair_scores"])
        self.moves = self.moves or self._above >= needed  # tested after each pair: with needed = 0 one pair suffices
        self.certain = self.moves or self._above + left < needed


def _padded_grey(frame: np.ndarray) -> np.ndarray:
    """Grey uint8 [H', W'] with replicated borders, split between both sides as RAFT's padding is."""
    import cv2

    rows, columns = -frame.shape[0] % _MULTIPLE, -frame.shape[1] % _MULTIPLE
    return cv2.copyMakeBorder(
        cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY),
        rows // 2,
        rows - rows // 2,
        columns // 2,
        columns - columns // 2,
        cv2.BORDER_REPLICATE,
    )


INFO = ScorerInfo(
    name="dynamic_degree_dis",
    summary="Share of videos that move: VBench's dynamic-degree rule on OpenCV DIS flow (not RAFT)",
    version="1",
    unit="",
    range=(0.0, 1.0),
    higher_is_better=True,
    source="rule: VBench 1.0, dynamic_degree.py; flow: Kroeger et al., ECCV 2016 (OpenCV DISOpticalFlow)",
    factory=f"{__name__}:DynamicDegreeDIS",
    settings=DynamicDegreeDISSettings,
    binary=True,
    streams=True,
    even_frames=True,
    needs_fps=True,
)
