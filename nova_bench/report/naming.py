"""Names and texts of tables, figures and the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nova_bench.assets import Asset
from nova_bench.config.catalog import SCORERS
from nova_bench.config.suite import StatisticsSpec
from nova_bench.config.units import Unit
from nova_bench.core.intervals import Method
from nova_bench.core.messages import shorten
from nova_bench.pipeline.aggregate import MetricSummary, SampleScore
from nova_bench.pipeline.composite import CompositeSummary
from nova_bench.pipeline.failures import kind_of
from nova_bench.pipeline.needs import absent_assets, fetch_line
from nova_bench.pipeline.places import Places
from nova_bench.pipeline.plan import Plan
from nova_bench.store import Artifact, FailedUnit, Status

FAILURES = "failures.csv"
"""Every failed sample of a report."""
SHOWN_PROBLEMS = 20
"""Problems of single samples that a run prints; `failures.csv` has all of them."""
SHOWN_REASONS = 2
"""Reasons why a metric can't be measured that a table lists."""
WITHOUT_INTERVAL = (Method.EQUAL, Method.ONE, Method.STATED, Method.NOTHING)
NOT_YET = "not computed yet: run the suite again to continue"


def model_name(plan: Plan) -> str:
    """The model's label, or its adapter's name, and whether the model was given rewritten prompts."""
    name = plan.suite.model.name
    prompts = {unit.prompt_id for unit in plan.units}
    rewritten = {unit.prompt_id for unit in plan.units if unit.is_rewritten}
    if not rewritten:
        return name
    return f"{name}, {'' if rewritten == prompts else f'{len(rewritten)} of {len(prompts)} '}rewritten prompts"


def category_name(category: str) -> str:
    """``entity - whole``; DPG-Bench's ``global - `` is ``global``."""
    return category.rstrip("- ")


def sample_name(unit: Unit) -> str:
    """Prompt and, beyond the first sample, its index."""
    return unit.prompt if unit.sample_index == 0 else f"{unit.prompt} [{unit.sample_index}]"


def sample_file(unit: Unit, artifact: Artifact | FailedUnit | None, places: Places) -> str:
    """Path of a sample's file, as a report shows it; empty if there is none."""
    path = artifact.path.absolute() if isinstance(artifact, Artifact) else unit.source
    return places.file(path) if path else ""


def interval_name(plan: Plan) -> str:
    """``95 % CI``."""
    return f"{plan.suite.statistics.confidence * 100:g} % CI"


def interval_note(
    statistics: StatisticsSpec, made: Iterable[tuple[str, Method, int]], what: str = "", trainings: int = 1
) -> str:
    """Describe the intervals: ``95 % CI: cluster t over 5 prompts``; ``made``: name, method and prompts of each.

    ``what``: what they are intervals of, if that isn't obvious; ``trainings``: the most that one value is pooled from.
    """
    names: dict[Method, dict[str, int]] = {}
    for name, method, prompts in made:
        if method not in WITHOUT_INTERVAL:
            names.setdefault(method, {})[name] = prompts
    head = f"{statistics.confidence * 100:g} % CI{f' {what}' if what else ''}: "
    if not names:
        return f"{head}none; an interval needs two prompts with a score that differ."
    parts = []
    for method, counts in names.items():
        fewest, most = min(counts.values()), max(counts.values())
        over = f"{fewest} prompts" if fewest == most else f"{fewest} to {most} prompts"
        over = f"up to {trainings} trainings and {over}" if method == Method.WELCH else over
        parts.append(f"{method} over {over}" + (f" ({', '.join(counts)})" if len(names) > 1 else ""))
    if Method.BOOTSTRAP in names:
        parts.append(f"bootstrap: expanded percentiles, {statistics.resamples:,} resamples, seed {statistics.seed}")
    return f"{head}{'; '.join(parts)}."


def methods_of(
    summaries: Sequence[MetricSummary], final: Sequence[CompositeSummary]
) -> Iterator[tuple[str, Method, int]]:
    """Name, method and number of prompts of each metric's and final score's interval."""
    for summary in summaries:
        yield summary.scorer.info.name, summary.method, summary.n_prompts
    for score in final:
        yield score.metric.name, score.method, score.n_prompts


def interval_fields(
    interval: tuple[float, float] | None, method: Method, prompts: int, equal: str = ""
) -> dict[str, Any]:
    """A cell's fields about its interval; ``equal`` says what is all equal if that is why there is none."""
    if method in WITHOUT_INTERVAL:
        return {"ci_missing": (equal or f"all {prompts} prompts equal") if method == Method.EQUAL else str(method)}
    return {"ci": interval, "ci_method": str(method), "ci_prompts": prompts}


def is_unused(summary: MetricSummary) -> bool:
    """Whether no sample counts for a metric that may do without: an optional one, or a category without questions."""
    spared = summary.scorer.optional or bool(summary.scorer.info.tally)
    return (spared and summary.scorer.keep is None and summary.n_requested == 0) or is_unmeasurable(summary)


def is_unmeasurable(summary: MetricSummary) -> bool:
    """Whether an optional metric has no sample on which it can be measured, such as one without references."""
    return summary.scorer.optional and 0 < summary.n_requested == summary.n_not_measurable


def is_part(summary: MetricSummary) -> bool:
    """Whether a metric is part of another one, such as one of its categories."""
    return bool(summary.scorer.info.tally) and not summary.scorer.info.breakdown


def needed_assets(summary: MetricSummary) -> tuple[Asset, ...]:
    """The assets that a metric needs and that aren't here; imported results need none."""
    keep = summary.scorer.keep
    if summary.scorer.stated:
        return ()
    deciding = SCORERS.get(keep.scorer).assets if keep else ()
    return absent_assets((*summary.scorer.info.assets, *deciding))


def why_missing(summary: MetricSummary) -> str:
    """Why a metric has no value: what it needs and how to get it, or what went wrong."""
    keep, stated = summary.scorer.keep, summary.scorer.stated
    if stated:
        return f"not computed: {stated.problem}"
    if absent := needed_assets(summary):
        return f"not computed: needs {fetch_line(absent)}"
    if summary.n_requested == 0:
        return f"not computed: {keep.scorer} keeps no sample" if keep else "not computed: no sample has its tags"
    if summary.n_failed and summary.n_failed >= summary.n_not_measurable:
        first = next(score for score in summary.samples if score.status == Status.FAILED)
        return f"not computed: {summary.n_failed} of {summary.n_requested} samples failed: {problem_of(first)}"
    if summary.n_not_measurable:
        reasons = dict.fromkeys(s.scored.message for s in summary.samples if s.status == Status.NOT_MEASURABLE)
        return f"not measurable on these samples: {'; '.join(list(reasons)[:SHOWN_REASONS])}"
    return NOT_YET


def aggregate_notes(summaries: Sequence[MetricSummary]) -> list[str]:
    """How metrics are aggregated whose suite chooses another aggregate than the scorer's own."""
    return [
        f"{scorer.info.name}: {scorer.info.aggregates[scorer.aggregate].summary} (aggregate {scorer.aggregate})."
        for scorer in (summary.scorer for summary in summaries)
        if scorer.aggregate
    ]


def problem_of(score: SampleScore) -> str:
    """The message of a sample's row, or why the sample itself could not be made."""
    return score.row.message if score.row is not None else score.problem


def gaps(summaries: Sequence[MetricSummary], suite: str) -> list[str]:
    """Metrics without a value, then the problems of single samples, each once.

    A metric that can't be measured on a sample is not a gap, nor is an optional one whose assets aren't here, or that
    can't be measured on any sample, provided that others can. Metrics missing for the same reason share a line, and so
    do all that lack assets; ``suite`` is the name that fetches them.
    """
    lines: dict[str, list[str]] = {}
    problems: dict[str, _Problem] = {}
    waiting: dict[str, tuple[Asset, ...]] = {}
    nothing = bool(summaries) and all(is_unmeasurable(summary) for summary in summaries)
    for summary in summaries:
        absent = needed_assets(summary) if summary.value is None else ()
        if absent and not summary.scorer.optional:
            waiting[summary.scorer.info.name] = absent
        if absent or (is_unused(summary) and not nothing):
            continue
        if summary.value is None:
            lines.setdefault(why_missing(summary), []).append(summary.scorer.info.name)
        elif summary.n_failed or summary.n_missing:
            done = f"{summary.n_ok} of {summary.n_requested} samples scored"
            done += f", {summary.n_failed} failed" if summary.n_failed else ""
            done += f", {summary.n_missing} {NOT_YET}" if summary.n_missing else ""
            lines.setdefault(done, []).append(summary.scorer.info.name)
        for score in summary.samples:
            if score.status == Status.FAILED:
                _note_problem(problems, score.unit, problem_of(score))
    untold = [found for found in problems.values() if not any(found.text in reason for reason in lines)]
    if absent := tuple(dict.fromkeys(asset for assets in waiting.values() for asset in assets)):
        lines = {f"not computed: needs {fetch_line(absent, suite)}": [*waiting], **lines}
    return [f"{', '.join(names)}: {reason}" for reason, names in lines.items()] + _told_once(untold)


@dataclass
class _Problem:
    """A problem shared by samples: the first of them, its message, and all of the samples."""

    first: Unit
    text: str
    units: set[str]


def _note_problem(problems: dict[str, _Problem], unit: Unit, message: str) -> None:
    kind = kind_of(message, (unit.source, unit.image, unit.reference, unit.prompt))
    problems.setdefault(kind, _Problem(unit, message, set())).units.add(unit.digest)


def _told_once(problems: Sequence[_Problem]) -> list[str]:
    """A line for each problem, with the number of samples if more than one has it; only the first of many."""
    lines = [
        f"{len(found.units)} samples: {found.text.removeprefix(f'{found.first.source}: ')} "
        f"(the first: {shorten(sample_name(found.first))})"
        if len(found.units) > 1
        else found.text
        for found in problems
    ]
    more = len(lines) - SHOWN_PROBLEMS
    return lines[:SHOWN_PROBLEMS] + ([f"... and {more} more problems: see report/{FAILURES}"] if more > 0 else [])


def sample_gaps(units: Sequence[Unit], artifacts: Mapping[str, Artifact | FailedUnit]) -> list[str]:
    """The gaps of samples that nothing scores: how many are missing, and the first error."""
    lacking = [unit for unit in units if not isinstance(artifacts.get(unit.digest), Artifact)]
    if not lacking:
        return []
    problems: dict[str, _Problem] = {}
    for unit in lacking:
        if isinstance(found := artifacts.get(unit.digest), FailedUnit):
            _note_problem(problems, unit, found.error)
    made = f"samples: {len(units) - len(lacking)} of {len(units)} made"
    return [made, *_told_once(list(problems.values()))] if problems else [f"{made}; {NOT_YET}"]


def by_unit(summaries: Sequence[MetricSummary]) -> dict[str, dict[str, SampleScore]]:
    """Unit digest -> metric name -> score."""
    table: dict[str, dict[str, SampleScore]] = {}
    for summary in summaries:
        for score in summary.samples:
            table.setdefault(score.unit.digest, {})[summary.scorer.info.name] = score
    return table
