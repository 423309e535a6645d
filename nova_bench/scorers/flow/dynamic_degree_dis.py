"""VBench's dynamic-degree rule on OpenCV's DIS flow: a weight-free relative of dynamic_degree, which uses RAFT."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from nova_bench.scorers.base import Sample, Score, ScorerContext, ScorerInfo, ScorerSettings
from nova_bench.scorers.vbench.dynamic_degree_rule import FASTEST, sampled

if TYPE_CHECKING:
    import numpy as np

_MULTIPLE = 8  # RAFT's input sides; the rule measures the padded flow
_SMALLEST_SIDE = 16  # DIS finds no 8 x 8 patches in less


class DynamicDegreeDISSettings(ScorerSettings):
    """Choices that are not part of VBench's rule."""

    preset: Literal["ultrafast", "fast", "medium"] = "medium"
    """OpenCV's DIS preset: density of patches and refinement, so accuracy against speed."""

    early_exit: bool = True
    """Stop at the pair that decides. The value is the same; ``pair_scores`` then ends there."""


class DynamicDegreeDIS:
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

    def score(self, batch: Sequence[Sample]) -> list[Score]:
        return [self._score_one(sample) for sample in batch]

    def _score_one(self, sample: Sample) -> Score:
        clip = sample.clip
        if clip.frame_count < 2:
            return Score(None, reason="one frame: motion needs at least two")
        if clip.fps is None:
            return Score(None, reason="no frame rate: the rule samples frames by time")
        frames, details = sampled(clip)
        count, height, width = frames.shape[:3]
        if count < 2:
            return Score(None, reason=f"{clip.frame_count} frames at {float(clip.fps):g} fps: too short to sample two")
        if min(height, width) + (-min(height, width)) % _MULTIPLE < _SMALLEST_SIDE:
            return Score(None, reason=f"{width}x{height} is too small for DIS flow")
        threshold, needed, scores = details["threshold"], details["count_needed"], details["pair_scores"]
        above, moves = 0, False
        for score in self._pair_scores(frames.numpy()):
            scores.append(score)
            above += score > threshold
            moves = moves or above >= needed  # tested after each pair: with needed = 0 one pair suffices
            undecided = above + (count - 1 - len(scores)) >= needed and not moves
            if self.settings.early_exit and not undecided:
                break
        return Score(float(moves), details=details)

    def _pair_scores(self, frames: np.ndarray) -> Iterator[float]:
        """Mean of the largest flow magnitudes between each two consecutive frames of uint8 [T, H, W, 3]."""
        import cv2
        import numpy as np

        flow = cv2.DISOpticalFlow_create(getattr(cv2, f"DISOPTICAL_FLOW_PRESET_{self.settings.preset.upper()}"))
        for first, second in pairwise(_padded_grey(frame) for frame in frames):
            magnitude = np.linalg.norm(flow.calc(first, second, None), axis=-1).ravel()
            fastest = int(magnitude.size * FASTEST)
            yield float(np.partition(magnitude, -fastest)[-fastest:].mean(dtype=np.float64))


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
)
