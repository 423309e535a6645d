"""How much a metric differs between the samples of a prompt, such as DPG-Bench's four images."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

from nova_bench.pipeline.aggregate import MetricSummary
from nova_bench.render.table import Cell, Column, Row, Table
from nova_bench.store import Status

MOST_SAMPLES = 16
"""More samples of a prompt are not listed one by one."""


def spread_table(summaries: Sequence[MetricSummary]) -> Table | None:
    """The mean over prompts of each sample index, and its standard deviation; None unless a metric has several.

    The metric's value is not the mean of these if prompts have different numbers of samples.
    """
    found = {summary.scorer.info.name: _by_index(summary) for summary in summaries}
    found = {name: values for name, values in found.items() if 1 < len(values) <= MOST_SAMPLES}
    if not found:
        return None
    infos = {summary.scorer.info.name: summary.scorer.info for summary in summaries}
    columns = [Column("sample", "Sample", "label")]
    for index, name in enumerate(found):
        columns.append(Column(f"m{index}", name, unit=infos[name].unit, digits=infos[name].digits))
    rows = []
    for place in sorted({place for values in found.values() for place in values}):
        cells = {"sample": Cell(str(place + 1))}
        for index, values in enumerate(found.values()):
            if place in values:
                cells[f"m{index}"] = Cell(fmean(values[place]), note=_count(values, place))
        rows.append(Row(cells))
    between = {f"m{i}": Cell(stdev(map(fmean, values.values()))) for i, values in enumerate(found.values())}
    rows.append(Row({"sample": Cell("standard deviation"), **between}))
    return Table(
        id="spread",
        title="Between the samples of a prompt",
        columns=tuple(columns),
        rows=tuple(rows),
        caption="Each sample's mean over all prompts: how much a score depends on the seeds alone.",
    )


def _by_index(summary: MetricSummary) -> dict[int, list[float]]:
    """Sample index -> its scores."""
    found: dict[int, list[float]] = {}
    for score in summary.samples:
        if score.status == Status.OK:
            found.setdefault(score.unit.sample_index, []).append(score.value)
    return found


def _count(values: dict[int, list[float]], place: int) -> str:
    most = max(map(len, values.values()))
    return f"over {len(values[place])} prompts" if len(values[place]) < most else ""
