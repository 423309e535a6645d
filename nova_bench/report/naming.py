"""How tables, figures and the page call things."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nova_bench.aggregate import MetricSummary, SampleScore
from nova_bench.assets import asset_path
from nova_bench.errors import MissingAsset
from nova_bench.models.base import Unit
from nova_bench.plan import Plan
from nova_bench.scorers.catalog import SCORERS
from nova_bench.store import Artifact, FailedUnit, Status


def model_name(plan: Plan) -> str:
    """The model's label, or its adapter's name."""
    return plan.suite.model.label or plan.suite.model.adapter


def sample_name(unit: Unit) -> str:
    """Prompt and, beyond the first sample, its index."""
    return unit.prompt if unit.sample_index == 0 else f"{unit.prompt} [{unit.sample_index}]"


def interval_name(plan: Plan) -> str:
    """``95 % CI``."""
    return f"{plan.suite.statistics.confidence * 100:g} % CI"


def interval_note(plan: Plan) -> str:
    """How the intervals were made."""
    statistics = plan.suite.statistics
    return (
        f"Intervals: {statistics.confidence * 100:g} % percentile bootstrap over prompts, "
        f"{statistics.resamples:,} resamples, seed {statistics.seed}; none where fewer than two prompts have a score."
    )


def why_missing(summary: MetricSummary) -> str:
    """Why a metric has no value: what it needs and how to get it, or what went wrong."""
    keep = summary.scorer.keep
    deciding = SCORERS.get(keep.scorer).assets if keep else ()
    try:
        for name in (*summary.scorer.info.assets, *deciding):
            asset_path(name)
    except MissingAsset as missing:
        return f"not computed: {missing}"
    if summary.n_requested == 0:
        return f"not computed: {keep.scorer} keeps no sample" if keep else "not computed: no sample has its tags"
    if summary.n_failed:
        first = next(score for score in summary.samples if score.status == Status.FAILED)
        return f"not computed: {summary.n_failed} of {summary.n_requested} samples failed: {problem_of(first)}"
    if summary.n_not_measurable:
        first = next(score for score in summary.samples if score.status == Status.NOT_MEASURABLE)
        return f"not measurable on these samples: {first.row.message}"
    return "not computed yet: run the suite again, it continues"


def keep_notes(summaries: Sequence[MetricSummary]) -> list[str]:
    """Which samples a metric counts, where another one decides that."""
    notes = []
    for summary in summaries:
        if keep := summary.scorer.keep:
            which = f"the first {keep.first} (in the order 0, 1, 10, ..., 2) per prompt of " if keep.first else ""
            asked = f" {keep.scorer} is asked no further than these." if keep.first else ""
            notes.append(f"{summary.scorer.info.name} counts {which}the samples that {keep.scorer} gives 1.{asked}")
    return notes


def problem_of(score: SampleScore) -> str:
    """The message of a sample's row, or why the sample itself could not be made."""
    return score.row.message if score.row is not None else score.problem


def gaps(summaries: Sequence[MetricSummary]) -> list[str]:
    """What was asked for and has no number; a metric that can't be measured on a sample is no gap.

    Metrics that lack for the same reason share a line.
    """
    lines: dict[str, list[str]] = {}
    for summary in summaries:
        if summary.value is None:
            lines.setdefault(why_missing(summary), []).append(summary.scorer.info.name)
        elif summary.n_failed or summary.n_missing:
            done = f"{summary.n_ok} of {summary.n_requested} samples scored"
            lines.setdefault(f"{done}; {_first_problem(summary)}", []).append(summary.scorer.info.name)
    return [f"{', '.join(names)}: {reason}" for reason, names in lines.items()]


def sample_gaps(units: Sequence[Unit], artifacts: Mapping[str, Artifact | FailedUnit]) -> list[str]:
    """The same for samples that nothing scores: how many lack, and the first error."""
    lacking = [unit for unit in units if not isinstance(artifacts.get(unit.digest), Artifact)]
    if not lacking:
        return []
    errors = (found.error for unit in lacking if (found := artifacts.get(unit.digest)) is not None)
    reason = next((f"first error: {error}" for error in errors), "not made yet: run the suite again, it continues")
    return [f"samples: {len(units) - len(lacking)} of {len(units)} made; {reason}"]


def _first_problem(summary: MetricSummary) -> str:
    failed = [score for score in summary.samples if score.status == Status.FAILED]
    return f"first error: {problem_of(failed[0])}" if failed else "not computed yet: run the suite again, it continues"


def by_unit(summaries: Sequence[MetricSummary]) -> dict[str, dict[str, SampleScore]]:
    """Unit digest -> metric name -> score."""
    table: dict[str, dict[str, SampleScore]] = {}
    for summary in summaries:
        for score in summary.samples:
            table.setdefault(score.unit.digest, {})[summary.scorer.info.name] = score
    return table
