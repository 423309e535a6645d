"""Which samples of a metric count, where another scorer of the suite decides that (`keep`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nova_bench.aggregate import SampleScore
from nova_bench.plan import PlannedScorer
from nova_bench.spec import KeepSpec
from nova_bench.store import Status

Scores = tuple[SampleScore, ...]


def select(scorers: Sequence[PlannedScorer], samples: Sequence[Scores]) -> tuple[list[PlannedScorer], list[Scores]]:
    """Scorers with their ``samples``, without those that a scorer's `keep` leaves out; pure.

    A scorer with `keep` is followed by itself on all of its samples, under a name that says so. A sample on which the
    deciding scorer failed, or hasn't been yet, stays with that as its own state: whether it counts is not known, and
    the metric is then as incomplete as the decision.
    """
    verdicts = {scorer.info.name: scores for scorer, scores in zip(scorers, samples, strict=True)}
    chosen: list[tuple[PlannedScorer, Scores]] = []
    for scorer, scores in zip(scorers, samples, strict=True):
        if scorer.keep is None:
            chosen.append((scorer, scores))
        else:
            everything = replace(scorer.info, name=f"{scorer.info.name} (all samples)")
            chosen.append((scorer, _kept(scores, verdicts[scorer.keep.scorer], scorer.keep)))
            chosen.append((replace(scorer, info=everything, keep=None), scores))
    return [scorer for scorer, _ in chosen], [scores for _, scores in chosen]


def _kept(scores: Scores, verdicts: Scores, keep: KeepSpec) -> Scores:
    verdict_of = {verdict.unit.digest: verdict for verdict in verdicts}
    # The official filter walks files sorted by name, so sample 10 comes before sample 2. What isn't decided takes no
    # place: it might not be static.
    taken: dict[str, int] = {}
    chosen: dict[str, SampleScore] = {}
    for score in sorted(scores, key=lambda score: str(score.unit.sample_index)):
        unit, verdict = score.unit, verdict_of.get(score.unit.digest)
        if keep.first is not None and taken.get(unit.prompt_id, 0) == keep.first:
            continue
        if verdict is None or verdict.status != Status.OK:
            chosen[unit.digest] = _undecided(score, verdict, keep.scorer)
        elif verdict.row.value == 1:
            taken[unit.prompt_id] = taken.get(unit.prompt_id, 0) + 1
            chosen[unit.digest] = score
    return tuple(chosen[score.unit.digest] for score in scores if score.unit.digest in chosen)


def _undecided(score: SampleScore, verdict: SampleScore | None, name: str) -> SampleScore:
    """A sample of which it isn't known whether it counts."""
    if score.row is None and score.problem:
        return score  # it couldn't be made
    if verdict is None or verdict.status is None:
        return SampleScore(score.unit, None)
    if verdict.row is None:
        return SampleScore(score.unit, None, verdict.problem)
    return SampleScore(score.unit, replace(verdict.row, message=f"{name}: {verdict.row.message}"))
