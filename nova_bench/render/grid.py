"""Lays out a semantic table as text: the one place that applies the three rules of ``table``.

Exporters only escape and align what they find in a :class:`Grid`; none of them formats a number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

from nova_bench.core.visible_text import visible
from nova_bench.render.table import Cell, Column, Row, Table

DASH = "–"
NO_REASON = "not computed: no reason was recorded"
NUMERIC_KINDS = ("measured", "published", "interval", "count")


@dataclass(frozen=True)
class GridCell:
    """Text of one cell. ``extra`` (counts, "published") follows in smaller type; ``marks`` are footnote marks.

    ``sort`` is the number behind the text, for exporters that let a reader sort. ``numeric`` says that the text is made
    from numbers and contains no foreign text.
    """

    text: str
    extra: str = ""
    marks: tuple[str, ...] = ()
    strong: bool = False
    underlined: bool = False
    missing: bool = False
    published: bool = False
    sort: float | None = None
    numeric: bool = False


@dataclass(frozen=True)
class GridColumn:
    """Heading of one column; ``arrow`` is ↑ (higher is better), ↓ or nothing; a ``label`` column names its rows.

    A ``total`` sums up the columns after it.
    """

    title: str
    arrow: str = ""
    align: Literal["left", "right"] = "left"
    marks: tuple[str, ...] = ()
    published: bool = False
    label: bool = False
    total: bool = False


@dataclass(frozen=True)
class Grid:
    """A table ready to be written: headings, rows as (group, cells), and footnotes as (mark, text)."""

    columns: tuple[GridColumn, ...]
    rows: tuple[tuple[str | None, tuple[GridCell, ...]], ...]
    footnotes: tuple[tuple[str, str], ...] = field(default=())


class _Footnotes:
    """Hands out marks a, b, ... z, aa, ...; equal texts share one mark."""

    def __init__(self) -> None:
        self.marks: dict[str, str] = {}

    def mark(self, text: str) -> str:
        if text not in self.marks:
            number, letters = len(self.marks) + 1, ""
            while number:
                number, rest = divmod(number - 1, 26)
                letters = chr(ord("a") + rest) + letters
            self.marks[text] = letters
        return self.marks[text]


def clean_text(text: str) -> str:
    """One line of ``visible`` text: white space becomes blanks, control characters become escapes."""
    return visible(" ".join(text.split()))


def format_number(value: float, digits: int) -> str:
    """Fixed point with ``digits`` places. A nonzero number is never shown as zero: it uses scientific notation."""
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    text = f"{value:.{digits}f}"
    if (float(text) == 0 and value != 0) or abs(value) >= 1e9:
        return f"{value:.1e}"
    return f"{0.0:.{digits}f}" if float(text) == 0 else text


def format_count(number: int, noun: str) -> str:
    """``1 sample``, ``2 samples``, ``4,730 samples``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def arrow(higher_is_better: bool | None) -> str:
    """↑, ↓ or nothing."""
    return "" if higher_is_better is None else "↑" if higher_is_better else "↓"


def counts_text(cell: Cell) -> str:
    """``50`` if every requested sample is ok, else for example ``47/50 ok, 2 failed, 1 skipped``."""
    if cell.n_requested is None:
        return "" if cell.n_ok is None else str(cell.n_ok)
    if not incomplete(cell):
        return str(cell.n_requested)
    ok, failed, skipped = cell.n_ok or 0, cell.n_failed or 0, cell.n_skipped or 0
    parts = [f"{ok}/{cell.n_requested} ok"]
    rest = cell.n_requested - ok - failed - skipped
    parts += [f"{n} {word}" for n, word in ((failed, "failed"), (skipped, "skipped"), (rest, "not run")) if n]
    return ", ".join(parts)


def incomplete(cell: Cell) -> bool:
    """Whether some requested sample is not ok."""
    return bool(cell.n_failed or cell.n_skipped) or (cell.n_requested is not None and cell.n_ok != cell.n_requested)


def interval_text(cell: Cell, column: Column) -> str:
    """``[low, high]`` in the displayed scale, the reason why there is none, or nothing."""
    if cell.ci is None:
        return clean_text(cell.ci_missing)
    return "[{}, {}]".format(*(_number(bound, cell, column) for bound in cell.ci))


def layout(table: Table) -> Grid:
    """Lay a table out as text. Footnotes are in reading order; a column of units without any unit is left out."""
    footnotes = _Footnotes()
    columns = tuple(column for column in table.columns if column.kind != "unit" or _has_units(table, column))
    headings = tuple(_heading(column, footnotes) for column in columns)
    rows = tuple(
        (clean_text(row.group) if row.group else None, tuple(_cell(table, row, c, footnotes) for c in columns))
        for row in table.rows
    )
    return Grid(headings, rows, tuple((mark, clean_text(text)) for text, mark in footnotes.marks.items()))


def _has_units(table: Table, column: Column) -> bool:
    """Whether a row has something to show in a column of units."""
    owner = next(each for each in table.columns if each.key == column.of)
    return any(_derived(row.cells.get(column.of, Cell()), column, owner).text for row in table.rows)


def as_sure(table: Table) -> Table:
    """The table with as many places after the point as its intervals bear: two digits of half their width."""
    columns = {column.key: column for column in table.columns}
    rows = [
        replace(row, cells={key: _as_sure(cell, columns[key]) for key, cell in row.cells.items()}) for row in table.rows
    ]
    return replace(table, rows=tuple(rows))


def _as_sure(cell: Cell, column: Column) -> Cell:
    if cell.ci is None:
        return cell
    half = (shown(cell.ci[1], cell, column) - shown(cell.ci[0], cell, column)) / 2
    if not (math.isfinite(half) and half > 0):
        return cell
    digits = column.digits if cell.digits is None else cell.digits
    return replace(cell, digits=max(0, min(digits, 1 - math.floor(math.log10(half)))))


def _heading(column: Column, footnotes: _Footnotes) -> GridColumn:
    title = clean_text(column.title)
    published = column.kind == "published"
    if published and "published" not in title.lower():
        title = f"Published: {title}"
    if column.unit and column.kind in ("measured", "published"):
        title = f"{title} ({clean_text(column.unit)})"
    marks = (footnotes.mark(f"Published, not measured here: {column.source}"),) if published else ()
    pointer = arrow(column.higher_is_better) if column.kind == "measured" else ""
    align: Literal["left", "right"] = "right" if column.kind in NUMERIC_KINDS else "left"
    return GridColumn(title, pointer, align, marks, published, column.kind == "label", column.total)


def _cell(table: Table, row: Row, column: Column, footnotes: _Footnotes) -> GridCell:
    cell = row.cells.get(column.of or column.key, Cell())
    if column.of:
        return _derived(cell, column, next(c for c in table.columns if c.key == column.of))
    derived = {c.kind for c in table.columns if c.of == column.key}
    marks, extra = [], []
    if cell.value is None:
        if column.kind == "measured" and column.key in row.cells:
            marks.append(footnotes.mark(cell.note or NO_REASON))
        elif cell.note:
            marks.append(footnotes.mark(cell.note))
        text = DASH
    else:
        text = _value(cell.value, cell, column)
        if cell.unit and cell.unit != column.unit and "unit" not in derived:
            text = f"{text} {clean_text(cell.unit)}"
        if cell.ci is not None and "interval" not in derived:
            extra.append(interval_text(cell, column))
        if cell.note:
            marks.append(footnotes.mark(cell.note))
    if incomplete(cell) and "count" not in derived:
        extra.append(counts_text(cell))
    foreign = cell.published and column.kind != "published"
    if row.published and column is table.columns[0]:
        marks.append(footnotes.mark(f"Published, not measured here: {row.published}"))
        extra.append("published")
    if cell.value is not None and (foreign or (column.kind == "published" and cell.source)):
        marks.append(footnotes.mark(f"Published, not measured here: {cell.source or column.source}"))
        extra += ["published"] if foreign else []
    return GridCell(
        text=text,
        extra="; ".join(extra),
        marks=tuple(marks),
        strong=cell.highlight and cell.value is not None,
        underlined=cell.second and cell.value is not None,
        missing=cell.value is None,
        published=bool(cell.published or row.published) or column.kind == "published",
        sort=_sort_key(cell, column),
        numeric=_sort_key(cell, column) is not None and not cell.unit,
    )


def _derived(cell: Cell, column: Column, owner: Column) -> GridCell:
    if column.kind == "interval":
        text = interval_text(cell, owner)
        low = shown(cell.ci[0], cell, owner) if cell.ci else None
        return GridCell(text or DASH, missing=not text, sort=low, numeric=cell.ci is not None or not text)
    if column.kind == "count":
        text = counts_text(cell)
        number = None if cell.n_ok is None else float(cell.n_ok)
        return GridCell(text or DASH, missing=not text, sort=number, numeric=True)
    if column.kind == "unit":
        return GridCell(clean_text(owner.unit if cell.unit is None else cell.unit))
    return GridCell(arrow(owner.higher_is_better if cell.higher_is_better is None else cell.higher_is_better))


def _sort_key(cell: Cell, column: Column) -> float | None:
    if cell.value is None or isinstance(cell.value, str):
        return None
    return shown(cell.value, cell, column)


def shown(value: float, cell: Cell, column: Column) -> float:
    """``value`` in the unit that the table shows."""
    scale = column.scale if cell.scale is None else cell.scale
    return float(value) if scale == 1 else float(value) * scale


def _value(value: float | str, cell: Cell, column: Column) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return clean_text(value)
    return _number(value, cell, column)


def _number(value: float, cell: Cell, column: Column) -> str:
    if isinstance(value, int) and (column.scale if cell.scale is None else cell.scale) == 1:
        return str(value)
    return format_number(shown(value, cell, column), column.digits if cell.digits is None else cell.digits)
