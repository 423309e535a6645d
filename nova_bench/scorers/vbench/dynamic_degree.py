"""VBench's dynamic degree: what share of videos moves at all?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from nova_bench.networks.numerics import numerics
from nova_bench.scorers.base import Sample, Score, ScorerContext, ScorerInfo
from nova_bench.scorers.vbench.dynamic_degree_rule import FASTEST, sampled
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


class DynamicDegreeSettings(FlowSettings):
    """Settings of dynamic degree."""


class DynamicDegree:
    """1 if a video moves, else 0, by RAFT flow and the rule of VBench's dynamic_degree.py.

    Every round(fps / 8)-th frame (ties to even, at least 1) is kept: n frames. A pair of consecutive ones scores the
    mean of the largest 5 % of flow magnitudes, in pixels. The video moves once round(4 n / 16) pairs score above
    6 * min(H, W) / 256.

    A video that RAFT can't measure gets the official verdict, which follows from comparing with NaN, and a note.

    Details: ``pair_scores`` (up to the pair that decides), ``threshold``, ``count_needed``, ``interval``,
    ``sampled_frames``; ``warning`` if the verdict rests on no measurement.
    """

    decides_without_measurement = True

    def __init__(self, settings: DynamicDegreeSettings, context: ScorerContext):
        self._settings, self._device = settings, context.device
        self._network = load_raft(context)

    def score(self, batch: Sequence[Sample]) -> list[Score]:
        with numerics(self._settings.precision):
            return [self._score_one(sample.clip) for sample in batch]

    def _score_one(self, clip: Clip) -> Score:
        if clip.fps is None:
            return Score(None, reason="no frame rate: the rule samples frames by time")
        frames, details = sampled(clip)
        count, height, width = frames.shape[:3]
        needed = details["count_needed"]
        problem = unmeasurable(height, width)
        if count < 2:
            problem = f"{clip.frame_count} frames at {float(clip.fps):g} fps: too short to sample two"
        if problem is not None:
            if not self.decides_without_measurement or official_fails(height, width):
                return Score(None, reason=problem, details=details)
            # In the official code no score exceeds the threshold, whether there are none or all are NaN.
            moves = count >= 2 and needed == 0
            return Score(float(moves), details={**details, "warning": problem}, notes=(UNMEASURED,))
        moves = self._moves(PairMotion(self._network, frames, self._device, FASTEST), details)
        return Score(float(moves), details=details)

    def _moves(self, motion: PairMotion, details: dict) -> bool:
        """Whether enough pairs score above the threshold; fills ``details["pair_scores"]``.

        Pairs are scored in official order, each time as many as are needed before the verdict can be certain: batches
        are large, and no pair is scored in vain.
        """
        pairs = list(pairwise(range(details["sampled_frames"])))
        scores, needed = details["pair_scores"], details["count_needed"]
        if not self._settings.early_exit:
            scores += motion.scores(pairs)
        while True:
            lacking = needed - sum(score > details["threshold"] for score in scores)
            left = len(pairs) - len(scores)
            if lacking <= 0 or lacking > left:
                return lacking <= 0
            scores += motion.scores(pairs[len(scores) :][: min(lacking, left - lacking + 1)])


class CorrectedDynamicDegree(DynamicDegree):
    """As :class:`DynamicDegree`, but a video that RAFT can't measure is not measurable."""

    decides_without_measurement = False


INFO = ScorerInfo(
    name="dynamic_degree",
    summary="VBench dynamic degree: share of videos that move, by RAFT optical flow",
    version="2",
    unit="",
    range=(0.0, 1.0),
    higher_is_better=True,
    source="VBench 1.0 (arXiv 2311.17982), dynamic_degree.py",
    factory=f"{__name__}:DynamicDegree",
    settings=DynamicDegreeSettings,
    assets=(ASSET,),
    binary=True,
    even_frames=True,
    needs_fps=True,
)
CORRECTED = replace(
    INFO,
    name="dynamic_degree_corrected",
    summary="VBench dynamic degree, but videos that are too small or too short to measure are left out",
    version="1",
    source=f"{INFO.source}, with one fault mended",
    factory=f"{__name__}:CorrectedDynamicDegree",
)
