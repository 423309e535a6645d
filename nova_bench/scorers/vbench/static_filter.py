"""VBench's static filter: temporal flickering is measured on videos that hardly move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from nova_bench.networks.numerics import numerics
from nova_bench.scorers.base import Sample, Score, ScorerContext, ScorerInfo
from nova_bench.scorers.vbench.pair_motion import (
    ASSET,
    UNMEASURED,
    PairMotion,
    load_raft,
    official_fails,
    unmeasurable,
)
from nova_bench.scorers.vbench.settings import FlowSettings

if TYPE_CHECKING:
    from nova_bench.video import Clip

_THRESHOLD = 3.0  # pixels between frames, for a shorter side of this length:
_THRESHOLD_SIDE = 256.0
_FASTEST = 0.02  # the share of pixels whose motion counts


class StaticFilterSettings(FlowSettings):
    """Settings of the static filter."""


class StaticFilter:
    """1 if a video is static, else 0, by RAFT flow and the rule of VBench's static_filter.py.

    A pair scores the mean of the largest 2 % of flow magnitudes, in pixels; the threshold is 3 * min(H, W) / 256, and
    with n frames c = round(2 n / 16) (ties to even) pairs may exceed it. A video is static unless more than c pairs
    of consecutive frames do, or the flow between first and last frame, either way, exceeds 2 c times the threshold.

    A video that RAFT can't measure gets the official verdict, which follows from comparing with NaN, and a note.

    Details: ``pair_scores`` of consecutive frames and ``end_scores`` (first to last, last to first), as far as they
    were needed; ``threshold``, ``count_allowed``; ``warning`` if the verdict rests on no measurement.
    """

    decides_without_measurement = True

    def __init__(self, settings: StaticFilterSettings, context: ScorerContext):
        self._settings, self._device = settings, context.device
        self._network = load_raft(context)

    def score(self, batch: Sequence[Sample]) -> list[Score]:
        with numerics(self._settings.precision):
            return [self._score_one(sample.clip) for sample in batch]

    def _score_one(self, clip: Clip) -> Score:
        count, height, width = clip.frames.shape[:3]
        details = {
            "pair_scores": [],
            "end_scores": [],
            "threshold": _THRESHOLD * (min(height, width) / _THRESHOLD_SIDE),
            "count_allowed": round(2 * (count / 16.0)),
        }
        if count < 2:
            return Score(None, reason="one frame: motion needs at least two", details=details)
        if problem := unmeasurable(height, width):
            if not self.decides_without_measurement or official_fails(height, width):
                return Score(None, reason=problem, details=details)
            # In the official code NaN exceeds nothing.
            return Score(1.0, details={**details, "warning": problem}, notes=(UNMEASURED,))
        static = self._is_static(PairMotion(self._network, clip.frames, self._device, _FASTEST), count, details)
        return Score(float(static), details=details)

    def _is_static(self, motion: PairMotion, count: int, details: dict) -> bool:
        pairs, scores = list(pairwise(range(count))), details["pair_scores"]
        threshold, allowed = details["threshold"], details["count_allowed"]
        if not self._settings.early_exit:
            scores += motion.scores(pairs)
            details["end_scores"] += motion.scores([(0, count - 1), (count - 1, 0)])
        while True:
            lacking = allowed + 1 - sum(score > threshold for score in scores)
            left = len(pairs) - len(scores)
            if lacking <= 0:
                return False
            if lacking > left:
                break
            scores += motion.scores(pairs[len(scores) :][: min(lacking, left - lacking + 1)])
        if not details["end_scores"]:
            details["end_scores"] += motion.scores([(0, count - 1), (count - 1, 0)])
        return not any(score > threshold * allowed * 2 for score in details["end_scores"])


class CorrectedStaticFilter(StaticFilter):
    """As :class:`StaticFilter`, but a video that RAFT can't measure is not measurable."""

    decides_without_measurement = False


INFO = ScorerInfo(
    name="static_filter",
    summary="VBench static filter: share of videos that hardly move, by RAFT optical flow",
    version="2",
    unit="",
    range=(0.0, 1.0),
    higher_is_better=True,
    source="VBench 1.0 (arXiv 2311.17982), cli/static_filter.py",
    factory=f"{__name__}:StaticFilter",
    settings=StaticFilterSettings,
    assets=(ASSET,),
    binary=True,
    even_frames=True,
)
CORRECTED = replace(
    INFO,
    name="static_filter_corrected",
    summary="VBench static filter, but videos that are too small to measure are left out",
    version="1",
    source=f"{INFO.source}, with one fault mended",
    factory=f"{__name__}:CorrectedStaticFilter",
)
