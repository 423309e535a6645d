"""What is known about a run's judges themselves: how often they are right where the truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from nova_bench.config.catalog import JUDGES
from nova_bench.config.suite import StatisticsSpec
from nova_bench.core.intervals import cluster_means
from nova_bench.pipeline.aggregate import MetricSummary
from nova_bench.render.table import Cell, Column, Row, Table
from nova_bench.report.answers import judges_of
from nova_bench.report.naming import category_name, interval_fields

if TYPE_CHECKING:
    from nova_bench.judges.base import KnownAnswers

_ALL = "all questions"
_KINDS = ("true", "false")


def judge_accuracy_tables(summaries: Sequence[MetricSummary], statistics: StatisticsSpec) -> list[Table]:
    """A table for each judge of the run that can be measured, by kind of question. It is measured anew, in seconds."""
    tables = []
    for judge in judges_of(summaries):
        info = JUDGES.get(judge.partition(":")[0])
        if info.known_answers:
            tables.append(_table(judge, info.version, resolve_name(info.known_answers)(), statistics))
    return tables


def _table(judge: str, version: str, known: Sequence[KnownAnswers], statistics: StatisticsSpec) -> Table:
    import numpy as np

    asked = {kind: np.array([getattr(one, kind) for one in known]).T for kind in _KINDS}
    right = {kind: np.array([getattr(one, f"right_of_{kind}") for one in known]).T for kind in _KINDS}
    for counts in (asked, right):
        for kind in _KINDS:
            counts[kind] = np.concatenate([counts[kind].sum(axis=1, keepdims=True), counts[kind]], axis=1)
    names = [_ALL, *(one.category for one in known)]
    columns = [Column("kind", "Questions", "label")]
    rows: list[dict[str, Cell]] = [{"kind": Cell(category_name(name))} for name in names]
    for kind, title in (("true", "Of true statements"), ("false", "Of false statements")):
        columns.append(Column(kind, f"{title}, right", unit="%", scale=100.0, digits=1))
        columns.append(Column(f"n_{kind}", "Answers", "label"))
        means = cluster_means(right[kind][None], asked[kind][None], statistics, [True] * len(names))
        intervals = means.intervals(statistics.confidence)
        for place, cells in enumerate(rows):
            count = int(asked[kind][:, place].sum())
            cells[f"n_{kind}"] = Cell(f"{count:,}")
            if count:
                low, high = float(intervals.low[place]), float(intervals.high[place])
                fields = interval_fields((low, high), intervals.methods[place], int(intervals.clusters[place]))
                cells[kind] = Cell(float(means.value[place]), **fields)
    videos = len(asked["true"])
    return Table(
        id=f"judge-{judge.partition(':')[0]}",
        title=f"How often the judge {judge} is right",
        columns=tuple(columns),
        rows=tuple(Row(cells) for cells in rows),
        caption=(
            f"Answers of the judge (version {version}) about {videos} rendered clips whose content is known: yes to "
            "what their captions state, anything else to the same with one property changed. Videos that a model made "
            "are blurred and bent, so the judge errs more about them."
        ),
    )
