"""Rows -> one summary per metric: value, counts, confidence interval. Pure functions of what the store holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from nova_bench.config.suite import StatisticsSpec
from nova_bench.config.units import Unit
from nova_bench.core.intervals import Method, cluster_means
from nova_bench.pipeline.plan import PlannedScorer
from nova_bench.scorers.base import Recorded, ScorerInfo, Tallied
from nova_bench.store import Artifact, FailedUnit, Row, Status

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class SampleScore:
    """One metric's result on one sample: a row, or the reason why there is none."""

    unit: Unit
    row: Row | None
    problem: str = ""

    @property
    def status(self) -> Status | None:
        """Status of the row; FAILED if the sample itself could not be made; None if nothing was tried yet."""
        if self.row is not None:
            return self.row.status
        return Status.FAILED if self.problem else None

    @property
    def scored(self) -> Row:
        """The row; only for a sample that has one."""
        assert self.row is not None, f"{self.unit.digest} has no row"
        return self.row

    @property
    def value(self) -> float:
        """The score of a sample that is ok."""
        assert self.scored.value is not None, f"{self.unit.digest} has no score"
        return self.scored.value


@dataclass(frozen=True)
class MetricSummary:
    """One metric over a run.

    ``value`` is the mean (or the weighted mean, if the metric is defined as one) over the samples that are ok; None
    without any. ``n_requested`` = ok + failed + not measurable + missing (not scored yet); samples that the metric's
    `keep` left out are not among them. ``method`` is how the interval was computed from ``n_prompts`` prompts,
    or why there is none. ``sums`` of value * weight and ``weights`` have shape [prompts]: one entry per prompt of the
    run, in the same order for all its metrics. If a results file states the metric, its value counts; there is no
    interval if the samples don't give that value.
    """

    scorer: PlannedScorer
    value: float | None
    interval: tuple[float, float] | None
    n_requested: int
    n_ok: int
    n_failed: int
    n_not_measurable: int
    samples: tuple[SampleScore, ...]
    method: Method
    n_prompts: int
    sums: np.ndarray = field(compare=False, repr=False)
    weights: np.ndarray = field(compare=False, repr=False)

    @property
    def n_missing(self) -> int:
        """Samples that are not scored yet."""
        return self.n_requested - self.n_ok - self.n_failed - self.n_not_measurable


def collect(
    units: Sequence[Unit],
    scorer: PlannedScorer,
    artifacts: Mapping[str, Artifact | FailedUnit],
    rows: Mapping[tuple[str, str, str], Row],
) -> tuple[SampleScore, ...]:
    """Collect the result of ``scorer`` on each unit that it applies to, in plan order.

    Rows need their details if the metric counts them (:func:`needs_details`). A sample that a metric's tally leaves out
    is not among the results.
    """
    scores = collect_rows(units, scorer, artifacts, rows)
    return tuple(_tallied(scores, scorer.info)) if scorer.info.tally else scores


def collect_rows(
    units: Sequence[Unit],
    scorer: PlannedScorer,
    artifacts: Mapping[str, Artifact | FailedUnit],
    rows: Mapping[tuple[str, str, str], Row],
) -> tuple[SampleScore, ...]:
    """The same with the rows as they are, before a metric's tally counts them."""
    scores = []
    for unit in units:
        if not scorer.applies_to(unit):
            continue
        artifact = artifacts.get(unit.digest)
        if content := _content(unit, artifact):
            row = rows.get((content, scorer.identity, scorer.inputs(unit)))
            if scorer.last_of and row is not None and row.status == Status.OK:
                row = replace(row, value=row.details[scorer.last_of][-1])
            scores.append(SampleScore(unit, row))
        else:
            scores.append(SampleScore(unit, None, artifact.error if isinstance(artifact, FailedUnit) else ""))
    return tuple(scores)


def _tallied(scores: Sequence[SampleScore], info: ScorerInfo) -> Iterator[SampleScore]:
    """Each sample with the value that the metric's tally makes of its prompt's rows; in order."""
    tally = resolve_name(info.tally)
    counted: dict[str, Tallied | None] = {}
    for prompt in by_prompt(scores):
        digests = [score.unit.digest for score in prompt]
        counted |= zip(digests, tally([recorded(score, info) for score in prompt]), strict=True)
    for score in scores:
        if (tallied := counted[score.unit.digest]) is not None:
            yield score if score.status != Status.OK else replace(score, row=_counting(score.scored, tallied))


def by_prompt(scores: Iterable[SampleScore]) -> list[list[SampleScore]]:
    """The results of each prompt's samples, in order."""
    found: dict[str, list[SampleScore]] = {}
    for score in scores:
        found.setdefault(score.unit.prompt_id, []).append(score)
    return list(found.values())


def recorded(score: SampleScore, info: ScorerInfo) -> Recorded:
    """A result as a scorer's tally sees it."""
    unit = score.unit
    details = score.scored.details if score.status == Status.OK else None
    return Recorded(unit.sample_index, unit.metadata.read(info.reads), details)


def _counting(row: Row, tallied: Tallied) -> Row:
    if tallied.value is not None:
        return replace(row, value=tallied.value, weight=tallied.weight)
    status = Status.FAILED if tallied.failed else Status.NOT_MEASURABLE
    return replace(row, status=status, value=None, message=tallied.reason)


def _content(unit: Unit, artifact: Artifact | FailedUnit | None) -> str:
    """Digest of what a unit's rows belong to; empty if there is nothing to score."""
    if unit.imported:
        return unit.content_digest
    return artifact.sha256 if isinstance(artifact, Artifact) else ""


def needs_details(scorers: Iterable[PlannedScorer]) -> bool:
    """Whether :func:`collect` needs the details of rows."""
    return any(scorer.last_of or scorer.info.tally for scorer in scorers)


def summarise(
    scorers: Sequence[PlannedScorer], samples: Sequence[tuple[SampleScore, ...]], statistics: StatisticsSpec
) -> list[MetricSummary]:
    """Return one summary per scorer; ``samples`` holds the results of :func:`collect` for each.

    For intervals see :mod:`nova_bench.core.intervals`; they are cut off at the limits of a metric's values.
    """
    import numpy as np

    prompts = {unit.prompt_id: None for scores in samples for unit in (score.unit for score in scores)}
    position = {prompt: index for index, prompt in enumerate(prompts)}
    sums = np.zeros((len(position), len(scorers)))
    weights = np.zeros_like(sums)
    for metric, (scorer, scores) in enumerate(zip(scorers, samples, strict=True)):
        weighted = scorer.info.average == "weighted"
        for score in scores:
            if score.status == Status.OK:
                weight = score.scored.weight if weighted else 1.0
                sums[position[score.unit.prompt_id], metric] += score.value * weight
                weights[position[score.unit.prompt_id], metric] += weight
    infos = [scorer.info for scorer in scorers]
    means = cluster_means(sums[None], weights[None], statistics, [info.binary for info in infos])
    intervals = means.intervals(statistics.confidence).within([info.range for info in infos])
    summaries = []
    for metric, (scorer, scores) in enumerate(zip(scorers, samples, strict=True)):
        counted = [score.status for score in scores]
        value, low, high = (float(part[metric]) for part in (means.value, intervals.low, intervals.high))
        method = intervals.methods[metric]
        if stated := scorer.stated:
            value = float("nan") if stated.value is None else stated.value
            if stated.problem:
                low, method = float("nan"), Method.STATED
        summaries.append(
            MetricSummary(
                scorer=scorer,
                value=None if value != value else value,
                interval=None if low != low else (low, high),
                n_requested=len(scores),
                n_ok=counted.count(Status.OK),
                n_failed=counted.count(Status.FAILED),
                n_not_measurable=counted.count(Status.NOT_MEASURABLE),
                samples=scores,
                method=method,
                n_prompts=int(intervals.clusters[metric]),
                sums=sums[:, metric],
                weights=weights[:, metric],
            )
        )
    return summaries
