"""Chosen metrics as columns, a row per setting and per published setting (App. E, Table 2)."""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, Any

from nova_bench.core.statistics import student_interval
from nova_bench.experiments.study.results import Setting, StudyResults
from nova_bench.experiments.study.spec import OverviewSpec
from nova_bench.experiments.study.tables import value_cell
from nova_bench.render.table import Cell, Column, Row, Table
from nova_bench.store import Artifact

if TYPE_CHECKING:
    from nova_bench.render.figure_spec import FigureSpec

SECONDS = "seconds"


def overview_part(results: StudyResults, asked: OverviewSpec) -> tuple[list[Table], list[FigureSpec]]:
    """The table; no figure."""
    percent = f"{results.record.statistics.confidence * 100:g} % CI"
    columns = [Column("setting", "Setting", "label")]
    for index, column in enumerate(asked.columns):
        info = results.columns.get(column.metric)
        shown: dict[str, Any] = {"unit": info.unit if info else ""}
        if column.percent:
            shown = {"unit": "%", "scale": 100.0, "digits": 2}
        shown |= {"unit": "s", "digits": 3} if column.metric == SECONDS else {}
        shown |= {"higher_is_better": info.higher_is_better} if info else {}
        columns.append(Column(f"c{index}", column.title or column.metric, **shown))
        columns.append(Column(f"i{index}", percent, "interval", of=f"c{index}"))
    rows = [_measured(results, setting, asked) for setting in results.settings]
    rows += [row for setting in results.settings if (row := _published(setting, asked)) is not None]
    notes = [f"{column.title or column.metric}: {column.note}" for column in asked.columns if column.note]
    if any(column.metric == SECONDS for column in asked.columns) and any(arm.plan for arm in results.arms):
        notes.append(_about_seconds(results))
    return [Table(id="overview", title=asked.title, columns=tuple(columns), rows=tuple(rows), notes=tuple(notes))], []


def _measured(results: StudyResults, setting: Setting, asked: OverviewSpec) -> Row:
    pool = results.pooled(setting)
    cells = {"setting": Cell(setting.label)}
    for index, column in enumerate(asked.columns):
        if column.metric == SECONDS:
            cell = _seconds(results, setting)
        elif column.metric in results.columns:
            cell = value_cell(results, setting, column.metric, pool)
            # Unit and digits are the column's.
            cell = replace(cell, unit=None, digits=None, note=cell.note or _problem(setting))
        else:
            cell = Cell(None, note=f"not computed: {column.note or _no_metric(results)}")
        cells[f"c{index}"] = cell
    return Row(cells)


def _published(setting: Setting, asked: OverviewSpec) -> Row | None:
    stated = next((arm.record.published for arm in setting.arms if arm.record.published), None)
    if stated is None:
        return None
    cells = {
        f"c{index}": Cell(stated.values[column.metric], published=True, source=stated.source)
        for index, column in enumerate(asked.columns)
        if column.metric in stated.values
    }
    return Row({"setting": Cell(f"{stated.label} (published)"), **cells})


def _seconds(results: StudyResults, setting: Setting) -> Cell:
    """Mean over trainings of the median over videos."""
    import numpy as np

    medians = []
    for arm in setting.measured:
        made = [found.seconds for found in arm.artifacts.values() if isinstance(found, Artifact) and found.seconds]
        medians += [median(made)] if made else []
    if not medians:
        return Cell(None, note=_problem(setting) or "not computed: no video was made here")
    value, low, high = (float(x) for x in student_interval(np.array(medians), results.record.statistics.confidence))
    # Student's interval may extend below zero; for one training it is NaN, which `max` must not hide.
    return Cell(value, ci=(low if low > 0 or low != low else 0.0, high))


def _problem(setting: Setting) -> str:
    missing = [arm.record for arm in setting.arms if arm.record.problem]
    return f"not computed: {missing[0].label}: {missing[0].problem}" if missing else ""


def _no_metric(results: StudyResults) -> str:
    return "the study has no such metric" if results.metrics else "nothing was measured, only trainings are shown"


def _about_seconds(results: StudyResults) -> str:
    batches = sorted({arm.plan.suite.execution.batch_size for arm in results.arms if arm.plan})
    devices = sorted({arm.plan.suite.execution.device for arm in results.arms if arm.plan})
    return (
        "Seconds: wall time per video from prompt to frames, autoencoder included, loading excluded, median over "
        f"videos; batch size {', '.join(map(str, batches))}, device {', '.join(devices)}. A suite of the kind "
        "`latency` measures it part by part."
    )
