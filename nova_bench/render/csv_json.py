"""Tables for machines: tidy CSV (one line per value) and the exact JSON of the model."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

from nova_bench.core.visible_text import visible
from nova_bench.render.grid import shown
from nova_bench.render.table import Cell, Column, Table, Value

VALUE_FIELDS = (
    "column",
    "kind",
    "value",
    "ci_low",
    "ci_high",
    "unit",
    "higher_is_better",
    "n_requested",
    "n_ok",
    "n_failed",
    "n_skipped",
    "source",
    "note",
    "ci_method",
    "ci_prompts",
    "ci_missing",
)


def csv_table(table: Table) -> str:
    """One line per measured or published cell, after the row's labels (``label:KEY``) and its group.

    ``value``, ``ci_low`` and ``ci_high`` are in ``unit`` and at full precision (Python's shortest float that reads
    back the same). A missing value is an empty field with the reason in ``note``. Text is written as by ``visible``,
    with line ends as ``\\n`` (the JSON has it unchanged): open the file as data, not as formulas.
    """
    labels = [column for column in table.columns if column.kind == "label"]
    values = [column for column in table.columns if column.kind in ("measured", "published")]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["table", "row", "group", *(f"label:{column.key}" for column in labels), *VALUE_FIELDS])
    for index, row in enumerate(table.rows):
        names = [_text(row.cells.get(column.key, Cell()).value) for column in labels]
        for column in values:
            if column.key in row.cells:
                cell = row.cells[column.key]
                if row.published:
                    cell = replace(cell, published=True, source=cell.source or row.published)
                fields = _fields(cell, column)
                writer.writerow([table.id, index, _text(row.group), *names, *fields])
    return visible(stream.getvalue())


def json_table(table: Table) -> str:
    """The model itself; ``Table.from_json`` reads it back."""
    return table.to_json()


def _fields(cell: Cell, column: Column) -> list[str]:
    low, high = (shown(bound, cell, column) for bound in cell.ci) if cell.ci else (None, None)
    better = column.higher_is_better if cell.higher_is_better is None else cell.higher_is_better
    scale = column.scale if cell.scale is None else cell.scale
    value: Value = cell.value
    if isinstance(value, (int, float)) and not isinstance(value, bool) and scale != 1:
        value = shown(value, cell, column)
    parts = (
        column.key,
        "published" if cell.published else column.kind,
        value,
        low,
        high,
        column.unit if cell.unit is None else cell.unit,
        better,
        cell.n_requested,
        cell.n_ok,
        cell.n_failed,
        cell.n_skipped,
        cell.source or column.source,
        cell.note,
        cell.ci_method,
        cell.ci_prompts,
        cell.ci_missing,
    )
    return [_text(part) for part in parts]


def _text(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    return str(value).replace("\r\n", "\n").replace("\r", "\n")
