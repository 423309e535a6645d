"""Filter a metric's samples by another scorer's verdict (`keep`), for example VBench's static filter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from nova_bench.config.suite import KeepSpec
from nova_bench.config.units import Unit
from nova_bench.pipeline.aggregate import SampleScore, collect
from nova_bench.pipeline.plan import Plan, PlannedScorer
from nova_bench.store import Artifact, FailedUnit, Row, Status

Scores = tuple[SampleScore, ...]


def filter_samples(
    scorers: Sequence[PlannedScorer], samples: Sequence[Scores]
) -> tuple[list[PlannedScorer], list[Scores]]:
    """Return scorers with their ``samples``, without those that a scorer's `keep` leaves out; pure.

    A filtered scorer appears twice: once filtered, once as "NAME (all samples)" or, if only the first N kept samples of
    a prompt count, as "NAME (first N unfiltered)": the first N whatever their verdict, since later ones may never be
    made. If the deciding scorer failed on a sample or hasn't scored it yet, the sample takes over that state: whether
    it counts is unknown, and the metric is as incomplete as the decision. A deciding scorer has only the samples that
    it must score (:func:`required_units`), whatever else the store holds.
    """
    scores_of = {scorer.info.name: scores for scorer, scores in zip(scorers, samples, strict=True)}
    required = required_units(scorers, lambda scorer: scores_of[scorer.info.name])
    chosen: list[tuple[PlannedScorer, Scores]] = []
    for scorer, scores in zip(scorers, samples, strict=True):
        if (keep := scorer.keep) is not None:
            which = "all samples" if keep.first is None else f"first {keep.first} unfiltered"
            unfiltered = replace(scorer.info, name=f"{scorer.info.name} ({which})")
            chosen.append((scorer, _kept(scores, scores_of[keep.scorer], keep)))
            chosen.append((replace(scorer, info=unfiltered, keep=None), _first(scores, keep.first)))
        elif (digests := required.get(scorer.info.name)) is not None:
            chosen.append((scorer, tuple(score for score in scores if score.unit.digest in digests)))
        else:
            chosen.append((scorer, scores))
    return [scorer for scorer, _ in chosen], [scores for _, scores in chosen]


def required_units(
    scorers: Sequence[PlannedScorer], scores_of: Callable[[PlannedScorer], Scores]
) -> Mapping[str, frozenset[str]]:
    """Digests of the units that a filtered or deciding scorer must score, by its name; no entry if it must score all.

    If only the first N kept samples of a prompt count, later ones need neither a decision nor a score. Undecided
    samples are assumed to be kept: the units are then never more than the outcome needs, and once all of them are
    decided, either more are needed or the decision is complete. The result depends only on the verdicts, not on their
    order in time.
    """
    verdicts_of = {
        scorer.info.name: {verdict.unit.digest: verdict for verdict in scores_of(scorer)}
        for scorer in scorers
        if any(keeper.keep and keeper.keep.scorer == scorer.info.name for keeper in scorers)
    }
    found: dict[str, frozenset[str]] = {}
    for keeper in scorers:
        if (keep := keeper.keep) is not None and keep.first is not None:
            own = [score.unit for score in scores_of(keeper)]
            walked = _up_to([verdicts_of[keep.scorer].get(u.digest) or SampleScore(u, None) for u in own], keep.first)
            found[keeper.info.name] = frozenset(verdict.unit.digest for verdict in walked)
    for name, verdicts in verdicts_of.items():
        keepers = [scorer for scorer in scorers if scorer.keep and scorer.keep.scorer == name]
        if all(keeper.info.name in found for keeper in keepers):
            free = {v.unit.digest for v in verdicts.values() if not any(keep.applies_to(v.unit) for keep in keepers)}
            found[name] = frozenset(free.union(*(found[keeper.info.name] for keeper in keepers)) & verdicts.keys())
    return found


def filter_of(unit: Unit, scorers: Sequence[PlannedScorer]) -> KeepSpec | None:
    """The filter that decides whether a sample is made at all; None if any other scorer needs the sample, or none."""
    applying = [scorer for scorer in scorers if scorer.applies_to(unit)]
    keeps = [scorer.keep for scorer in applying if scorer.keep and scorer.keep.first is not None]
    if not keeps:
        return None
    deciding = {keep.scorer for keep in keeps}
    alone = all(scorer.keep in keeps or scorer.info.name in deciding for scorer in applying)
    return keeps[0] if alone else None


def required_plan(
    plan: Plan, artifacts: Mapping[str, Artifact | FailedUnit], rows: Mapping[tuple[str, str, str], Row]
) -> Plan:
    """The same run without the samples that no scorer asks for, given the verdicts so far.

    A sample that no scorer applies to stays. The plan grows with the verdicts until the filters have what they need.
    """
    required = required_units(plan.scorers, lambda scorer: collect(plan.units, scorer, artifacts, rows))
    if not required:
        return plan
    limited = [scorer for scorer in plan.scorers if scorer.info.name in required]
    others = [scorer for scorer in plan.scorers if scorer.info.name not in required]

    def is_asked(unit: Unit) -> bool:
        names = [scorer.info.name for scorer in limited if scorer.applies_to(unit)]
        if not names or any(unit.digest in required[name] for name in names):
            return True
        return any(scorer.applies_to(unit) for scorer in others)

    return replace(plan, units=tuple(filter(is_asked, plan.units)))


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


def _first(scores: Scores, first: int | None) -> Scores:
    """The first samples of each prompt by file name; all if None."""
    walked = {one.unit.digest for one in _up_to([SampleScore(score.unit, None) for score in scores], first)}
    return tuple(score for score in scores if score.unit.digest in walked)


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
