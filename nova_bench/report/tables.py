"""Summaries -> semantic tables, and every sample as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from nova_bench.core.visible_text import visible
from nova_bench.pipeline.aggregate import MetricSummary, SampleScore
from nova_bench.pipeline.composite import CompositeSummary
from nova_bench.pipeline.places import Places
from nova_bench.pipeline.plan import Plan
from nova_bench.render.table import Cell, Column, Row, Table, metric_columns
from nova_bench.report.filtered import keep_notes, too_few_note
from nova_bench.report.naming import (
    aggregate_notes,
    by_unit,
    interval_fields,
    interval_name,
    interval_note,
    is_part,
    is_unmeasurable,
    is_unused,
    methods_of,
    model_name,
    needed_assets,
    problem_of,
    sample_file,
    sample_name,
    why_missing,
)
from nova_bench.store import Artifact, FailedUnit, Status

SAMPLE_COLUMNS = ("prompt", "sample_index", "tags", "metric", "status", "value", "weight", "unit", "message", "file")


def metrics_table(plan: Plan, summaries: Sequence[MetricSummary], final: Sequence[CompositeSummary] = ()) -> Table:
    """One row per metric, then one per final score: value, interval, counts, and the published numbers."""
    published = {f"published{i}": (p.label, p.source) for i, p in enumerate(plan.suite.published)}
    table_rows = []
    unused = [summary.scorer.info.name for summary in summaries if is_unused(summary) and not is_unmeasurable(summary)]
    left_out = [f"{s.scorer.info.name}: {why_missing(s)}." for s in summaries if is_unmeasurable(s)]
    summaries = [summary for summary in summaries if not is_unused(summary)]
    for summary in summaries:
        cells = {"metric": Cell(summary.scorer.info.name), "value": _value_cell(plan, summary)}
        table_rows.append(Row({**cells, **_published_cells(plan, summary.scorer.info.name)}))
    for score in final:
        cells = {"metric": Cell(score.metric.name), "value": _final_cell(score)}
        table_rows.append(Row({**cells, **_published_cells(plan, score.metric.name)}))
    measured = {summary.scorer.info.name for summary in summaries} | {score.metric.name for score in final}
    for name in dict.fromkeys(name for column in plan.suite.published for name in column.values):
        if name not in measured:
            note = "not computed: this suite has no scorer of that name"
            table_rows.append(
                Row({"metric": Cell(name), "value": Cell(None, note=note), **_published_cells(plan, name)})
            )
    return Table(
        id="metrics",
        title=f"{plan.suite.title}: {model_name(plan)}",
        columns=metric_columns(published=published, interval=interval_name(plan)),
        rows=tuple(table_rows),
        caption=plan.suite.description,
        notes=(
            interval_note(plan.suite.statistics, methods_of(summaries, final)),
            *keep_notes(summaries),
            *aggregate_notes(summaries),
            *([f"No sample counts for {', '.join(unused)}."] if unused else []),
            *left_out,
        ),
    )


def samples_table(plan: Plan, summaries: Sequence[MetricSummary]) -> Table:
    """One row per sample, one column per metric, except parts of metrics, and metrics that can't be measured at all."""
    summaries = [summary for summary in summaries if not (is_part(summary) or is_unmeasurable(summary))]
    summaries = [summary for summary in summaries if summary.value is not None or not needed_assets(summary)]
    columns = [Column("prompt", "Sample", "label")]
    for summary in summaries:
        info = summary.scorer.info
        columns.append(
            Column(info.name, info.name, unit=info.unit, higher_is_better=info.higher_is_better, digits=info.digits)
        )
    scores = by_unit(summaries)
    whole = {s.scorer.info.name: why_missing(s) if s.value is None else "not computed yet" for s in summaries}
    table_rows = []
    for unit in plan.units:
        cells = {"prompt": Cell(sample_name(unit))}
        for name, score in scores.get(unit.digest, {}).items():
            cells[name] = _sample_cell(score, whole[name])
        table_rows.append(Row(cells))
    return Table(id="samples", title="Every sample", columns=tuple(columns), rows=tuple(table_rows))


def _value_cell(plan: Plan, summary: MetricSummary) -> Cell:
    info = summary.scorer.info
    values = {score.value for score in summary.samples if score.status == Status.OK}
    equal = f"all {summary.n_ok} equal" if len(values) == 1 else ""
    return Cell(
        summary.value,
        **interval_fields(summary.interval, summary.method, summary.n_prompts, equal),
        n_requested=summary.n_requested,
        n_ok=summary.n_ok,
        n_failed=summary.n_failed,
        n_skipped=summary.n_not_measurable,
        note=_value_note(plan, summary),
        digits=info.digits,
        unit=info.unit,
        higher_is_better=info.higher_is_better,
    )


def _value_note(plan: Plan, summary: MetricSummary) -> str:
    """What a reader must know about a metric's value: why there is none, or no interval, or few samples."""
    if summary.value is None:
        return why_missing(summary)
    stated = summary.scorer.stated
    return f"no interval: {stated.problem}" if stated and stated.problem else too_few_note(plan, summary)


def _final_cell(score: CompositeSummary) -> Cell:
    metric = score.metric
    if score.value is None:
        return Cell(note=f"not computed: needs {', '.join(score.needs)}", higher_is_better=metric.higher_is_better)
    return Cell(
        score.value,
        **interval_fields(score.interval, score.method, score.n_prompts),
        n_requested=score.n_requested,
        n_ok=score.n_ok,
        note=f"some samples lack {', '.join(score.incomplete)}" if score.incomplete else "",
        digits=metric.digits,
        unit=metric.unit,
        higher_is_better=metric.higher_is_better,
    )


def _sample_cell(score: SampleScore, not_tried: str) -> Cell:
    if score.status == Status.OK:
        return Cell(score.value)
    if score.status == Status.NOT_MEASURABLE:
        return Cell(None, note=f"not measurable: {score.scored.message}")
    return Cell(None, note=f"failed: {problem_of(score)}" if score.status == Status.FAILED else not_tried)


def _published_cells(plan: Plan, name: str) -> dict[str, Cell]:
    return {
        f"published{index}": Cell(column.values[name])
        for index, column in enumerate(plan.suite.published)
        if name in column.values
    }


def sample_records(
    summaries: Iterable[MetricSummary], artifacts: Mapping[str, Artifact | FailedUnit], places: Places
) -> Iterator[tuple[Any, ...]]:
    """``SAMPLE_COLUMNS`` of each sample and metric; None if a sample has no value.

    Paths of files inside the store are relative to it, so that the same results read the same in every store.
    """
    for summary in summaries:
        info = summary.scorer.info
        for score in summary.samples:
            row, unit = score.row, score.unit
            yield (
                unit.prompt,
                unit.sample_index,
                ";".join(unit.tags),
                info.name,
                str(score.status or "not computed"),
                row and row.value,
                row and row.weight,
                info.unit,
                problem_of(score),
                sample_file(unit, artifacts.get(unit.digest), places),
            )


def samples_csv(
    summaries: Iterable[MetricSummary], artifacts: Mapping[str, Artifact | FailedUnit], places: Places
) -> str:
    """One line per sample and metric: the raw rows and their files, for any other tool."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerows([SAMPLE_COLUMNS, *sample_records(summaries, artifacts, places)])
    return visible(stream.getvalue())
