"""A benchmark's own table of models: published rows and measured ones, a table for each mode and judge."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nova_bench.config.suite import LeaderboardSpec, PublishedRow, PublishedRows
from nova_bench.pipeline.aggregate import MetricSummary
from nova_bench.render.dot_plot import DotPlot, ModelScores, Radar
from nova_bench.render.table import Cell, Column, Row, Table
from nova_bench.report.leaderboard_rows import Kind, MeasuredRow, RankedRun, measured_rows
from nova_bench.report.naming import interval_fields, interval_name, interval_note, why_missing

if TYPE_CHECKING:
    from nova_bench.render.figure_spec import FigureSpec
    from nova_bench.scorers.base import ScorerInfo

DIGITS = 2
"""Digits after the point, of the numbers and of their ranks."""
NOT_STATED = "not stated"
_UNASKED = "not asked for: the suite has no such metric"
_SETTINGS = {"size": "Size", "steps": "Steps", "guidance": "Guidance", "scheduler": "Scheduler", "seeds": "Seeds"}


def leaderboard(spec: LeaderboardSpec, runs: Sequence[RankedRun]) -> tuple[list[Table], list[FigureSpec]]:
    """The tables and figures of several runs: scores of different modes or judges never share one."""
    tables: list[Table] = []
    figures: list[FigureSpec] = []
    kinds = measured_rows(spec, runs)
    first = Kind(next(iter(spec.modes), ""), "")
    for kind in dict.fromkeys((*([first] if spec.published else []), *kinds)):
        published = spec.published if kind == first else None
        tables.append(_table(spec, kind, kinds.get(kind, []), published))
        figures += _figures(spec, kind, kinds.get(kind, []), published)
    if spec.published:
        tables.append(_settings_table(spec.title, spec.published))
    return tables, figures


def _table(
    spec: LeaderboardSpec, kind: Kind, measured: Sequence[MeasuredRow], published: PublishedRows | None
) -> Table:
    infos = [_info(measured, index) for index in range(len(spec.columns))]
    unit = next((info.unit for info in infos if info), "")
    columns = [
        Column("model", "Model", "label"),
        *(
            Column(
                f"c{index}",
                title,
                digits=DIGITS,
                higher_is_better=info.higher_is_better if info else None,
                total=index == 0,
            )
            for index, (title, info) in enumerate(zip(spec.columns, infos, strict=True))
        ),
        *([Column("samples", "Samples", "count", of="c0")] if measured else []),
        Column("items", "Prompts", "label"),
        Column("questions", "Questions", "label"),
        Column("judge", "Judge", "label"),
        Column("mode", "Mode", "label"),
    ]
    rows = [_published_row(row, published, spec) for row in published.rows] if published else []
    rows += [_measured_row(row, kind, spec) for row in measured]
    rows = list(_ranked(rows, {f"c{i}" for i in range(len(spec.columns))}, [row.whole for row in measured]))
    return Table(
        id=_slug("leaderboard", kind, published is not None),
        title=_title(spec, kind, measured, published),
        columns=tuple(column for column in columns if column.of or any(column.key in row.cells for row in rows)),
        rows=tuple(rows),
        caption=f"Scores in {unit}, with intervals." if unit else "",
        notes=tuple(_notes(spec, measured, published)),
    )


def _info(measured: Sequence[MeasuredRow], column: int) -> ScorerInfo | None:
    """What the metric of a column is; None if no row has it."""
    return next((summary.scorer.info for row in measured if (summary := row.summaries[column])), None)


def _title(spec: LeaderboardSpec, kind: Kind, measured: Sequence[MeasuredRow], published: PublishedRows | None) -> str:
    judge = measured[0].judge if measured else published.judge if published else ""
    about = [f"{kind.mode} mode"] if kind.mode else []
    about += [f"judge {judge}"] if judge else []
    return f"{spec.title}: {', '.join(about)}" if about else spec.title


def _slug(name: str, kind: Kind, comparable: bool) -> str:
    if comparable:
        return name
    return re.sub(r"[^a-z0-9]+", "_", f"{name} {kind.mode} {kind.variant}".lower()).strip("_")


def _published_row(row: PublishedRow, published: PublishedRows, spec: LeaderboardSpec) -> Row:
    cells = {f"c{index}": Cell(value) for index, value in enumerate(row.values)}
    about = _told({"judge": published.judge, "mode": next(iter(spec.modes), None)})
    return Row({"model": Cell(row.label), **cells, **about}, "Published", row.source or published.source)


def _measured_row(row: MeasuredRow, kind: Kind, spec: LeaderboardSpec) -> Row:
    cells = {f"c{index}": _cell(summary, about_samples=index == 0) for index, summary in enumerate(row.summaries)}
    about = _told({"items": row.items, "questions": row.questions, "judge": row.judge, "mode": kind.mode})
    group = "Measured here" if row.whole else "Measured here on a part, not ranked"
    return Row({"model": Cell(row.run.label), **cells, **about}, group)


def _cell(summary: MetricSummary | None, about_samples: bool) -> Cell:
    if summary is None:
        return Cell(note=_UNASKED)
    if summary.value is None:
        return Cell(note=why_missing(summary))
    cell = Cell(summary.value, **interval_fields(summary.interval, summary.method, summary.n_prompts))
    if not about_samples:
        return cell
    return replace(
        cell,
        n_requested=summary.n_requested,
        n_ok=summary.n_ok,
        n_failed=summary.n_failed,
        n_skipped=summary.n_not_measurable,
    )


def _ranked(rows: Sequence[Row], keys: set[str], whole: Sequence[bool]) -> Iterator[Row]:
    """The rows with the best and the second best of each column marked, among published and whole measured ones."""
    takes_part = [*(True for _ in range(len(rows) - len(whole))), *whole]
    marks: list[dict[str, Cell]] = [{} for _ in rows]
    if sum(takes_part) > 1:
        for key in keys:
            known = [
                (round(float(value), DIGITS), place)
                for place, row in enumerate(rows)
                if takes_part[place] and isinstance(value := row.cells[key].value, int | float)
            ]
            best = sorted({value for value, _ in known}, reverse=True)[:2]
            for value, place in known:
                if value in best:
                    cell = rows[place].cells[key]
                    marks[place][key] = replace(cell, highlight=value == best[0], second=value in best[1:])
    for row, marked in zip(rows, marks, strict=True):
        yield replace(row, cells={**row.cells, **marked})


def _told(cells: dict[str, str | None]) -> dict[str, Cell]:
    """Cells of those that are told."""
    return {key: Cell(text) for key, text in cells.items() if text}


def _notes(spec: LeaderboardSpec, measured: Sequence[MeasuredRow], published: PublishedRows | None) -> Iterator[str]:
    if published:
        least = f" of all {spec.samples:,} samples" if spec.samples else ""
        yield f"Bold: the best, underlined: the second best of the published rows and of measured rows{least}."
        yield from spec.notes
    elif sum(row.whole for row in measured) > 1:
        yield "Bold: the best, underlined: the second best of these rows. Published rows were made otherwise."
    if measured:
        made = {
            (summary.scorer.info.name, summary.method, summary.n_prompts)
            for row in measured
            for summary in row.summaries
            if summary is not None
        }
        yield interval_note(measured[0].run.plan.suite.statistics, sorted(made))


def _settings_table(title: str, published: PublishedRows) -> Table:
    """How each published row was made, and what is not known of that."""
    rows = []
    for row in published.rows:
        stated = {key: getattr(row.settings, key) for key in _SETTINGS}
        known = row.settings.source or (row.source or published.source if any(stated.values()) else "")
        cells = {key: Cell(value or NOT_STATED) for key, value in stated.items()}
        rows.append(Row({"model": Cell(row.label), **cells, "source": Cell(known or None)}))
    titles = {"model": "Model", **_SETTINGS, "source": "Stated in"}
    return Table(
        id="published_settings",
        title=f"{title}: how the published rows were made",
        columns=tuple(Column(key, title, "label") for key, title in titles.items()),
        rows=tuple(rows),
        caption="As far as sources state it. A measured row with other settings may differ for that reason alone.",
    )


def _figures(
    spec: LeaderboardSpec, kind: Kind, measured: Sequence[MeasuredRow], published: PublishedRows | None
) -> Iterator[FigureSpec]:
    models = [_scores(row) for row in measured]
    models += [ModelScores(row.label, row.values, published=True) for row in published.rows] if published else []
    known = [summary.scorer.info.unit for row in measured for summary in row.summaries if summary]
    interval = interval_name(measured[0].run.plan) if measured else ""
    caption = "Each score has its own scale." + (" Hollow marks: published numbers." if published else "")
    shared: dict[str, Any] = {
        "title": _title(spec, kind, measured, published),
        "width": "page",
        "scores": tuple(spec.columns),
        "models": tuple(models),
        "unit": next(iter(known), ""),
        "interval_label": interval,
    }
    yield DotPlot(id=_slug("leaderboard_dots", kind, published is not None), caption=caption, **shared)
    if spec.radar:
        yield Radar(id=_slug("leaderboard_radar", kind, published is not None), **shared)


def _scores(row: MeasuredRow) -> ModelScores:
    label = row.run.label if row.whole else f"{row.run.label} ({row.items} prompts)"
    values = tuple(summary.value if summary else None for summary in row.summaries)
    return ModelScores(label, values, tuple(summary.interval if summary else None for summary in row.summaries))
