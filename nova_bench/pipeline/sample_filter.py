"""Filter a metric's samples by another scorer's verdict (`keep`), for example VBench's static filter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from nova_bench.config.suite import KeepSpec
from nova_bench.pipeline.aggregate import SampleScore
from nova_bench.pipeline.plan import PlannedScorer
from nova_bench.store import Status

Scores = tuple[SampleScore, ...]


def filter_samples(
    scorers: Sequence[PlannedScorer], samples: Sequence[Scores]
) -> tuple[list[PlannedScorer], list[Scores]]:
    """Return scorers with their ``samples``, without those that a scorer's `keep` leaves out; pure.

    A filtered scorer appears twice: once filtered, once as "NAME (all samples)". If the deciding scorer failed on a
    sample or hasn't scored it yet, the sample takes over that state: whether it counts is unknown, and the metric is as
    incomplete as the decision. A deciding scorer has only the samples that it must score (:func:`required_units`),
    whatever else the store holds.
    """
    scores_of = {scorer.info.name: scores for scorer, scores in zip(scorers, samples, strict=True)}
    must_see = required_units(scorers, lambda scorer: scores_of[scorer.info.name])
    chosen: list[tuple[PlannedScorer, Scores]] = []
    for scorer, scores in zip(scorers, samples, strict=True):
        if scorer.keep is not None:
            everything = replace(scorer.info, name=f"{scorer.info.name} (all samples)")
            chosen.append((scorer, _kept(scores, scores_of[scorer.keep.scorer], scorer.keep)))
            chosen.append((replace(scorer, info=everything, keep=None), scores))
        elif (digests := must_see.get(scorer.info.name)) is not None:
            chosen.append((scorer, tuple(score for score in scores if score.unit.digest in digests)))
        else:
            chosen.append((scorer, scores))
    return [scorer for scorer, _ in chosen], [scores for _, scores in chosen]


def required_units(
    scorers: Sequence[PlannedScorer], scores_of: Callable[[PlannedScorer], Scores]
) -> Mapping[str, frozenset[str]]:
    """Digests of the units that each deciding scorer must score, by its name; no entry if it must score all.

    If only the first N kept samples of a prompt count, later ones need no decision. Undecided samples are assumed to be
    kept: the units are then never more than the outcome needs, and once all of them are decided, either more are needed
    or the decision is complete. The result depends only on the verdicts, not on their order in time.
    """
    found = {}
    for decider in scorers:
        keepers = [scorer for scorer in scorers if scorer.keep and scorer.keep.scorer == decider.info.name]
        firsts = [scorer.keep.first for scorer in keepers if scorer.keep]
        if not keepers or None in firsts:
            continue
        verdicts = scores_of(decider)
        digests = {v.unit.digest for v in verdicts if not any(keeper.applies_to(v.unit) for keeper in keepers)}
        for keeper, first in zip(keepers, firsts, strict=True):
            own = [verdict for verdict in verdicts if keeper.applies_to(verdict.unit)]
            digests.update(verdict.unit.digest for verdict in _up_to(own, first))
        found[decider.info.name] = frozenset(digests)
    return found


def _up_to(verdicts: Sequence[SampleScore], first: int | None) -> list[SampleScore]:
    """Verdicts of each prompt up to its ``first``-th kept one; all if None.

    The official filter walks files sorted by name, so sample 10 comes before sample 2. A sample whose decision
    failed takes no place, since it might not be kept; an undecided one does.
    """
    taken: dict[str, int] = {}
    walked = []
    for verdict in sorted(verdicts, key=lambda verdict: str(verdict.unit.sample_index)):
        prompt = verdict.unit.prompt_id
        if first is not None and taken.get(prompt, 0) == first:
            continue
        walked.append(verdict)
        if verdict.status is None or (verdict.status == Status.OK and verdict.value == 1):
            taken[prompt] = taken.get(prompt, 0) + 1
    return walked


def _kept(scores: Scores, verdicts: Scores, keep: KeepSpec) -> Scores:
    given = {verdict.unit.digest: verdict for verdict in verdicts}
    own = [given.get(score.unit.digest) or SampleScore(score.unit, None) for score in scores]
    walked = {verdict.unit.digest: verdict for verdict in _up_to(own, keep.first)}
    kept = []
    for score in scores:
        verdict = walked.get(score.unit.digest)
        if verdict is not None and verdict.status != Status.OK:
            kept.append(_undecided(score, verdict, keep.scorer))
        elif verdict is not None and verdict.value == 1:
            kept.append(score)
    return tuple(kept)


def _undecided(score: SampleScore, verdict: SampleScore, name: str) -> SampleScore:
    """The score of a sample for which it isn't known whether it counts."""
    if score.row is None and score.problem:
        return score  # it couldn't be made
    if verdict.status is None:
        return SampleScore(score.unit, None)
    if verdict.row is None:
        return SampleScore(score.unit, None, verdict.problem)
    return SampleScore(score.unit, replace(verdict.row, message=f"{name}: {verdict.row.message}"))
