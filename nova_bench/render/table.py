"""The one table model: values with interval, counts, unit, direction and provenance; no formatting.

Code that fills a table states what a number is; the exporters decide how it looks. Three rules always hold:

1. A missing value is never a number or zero: it is a dash with its reason as a footnote.
2. A published number is labelled as published, in its header or beside it, with its source as a footnote.
3. Counts (ok / requested / failed) are shown beside a mean unless every sample is ok.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from nova_bench.core.errors import UserError

Kind = Literal["label", "measured", "published", "interval", "count", "unit", "direction"]
Value = float | int | str | bool | None

DERIVED_KINDS = ("interval", "count", "unit", "direction")
NOT_A_NUMBER = "not computed: the result is not a number (NaN)"
_SCHEMA = "nova_bench.table/1"


@dataclass(frozen=True)
class Column:
    """One column.

    ``kind`` is ``label`` (text that names the row), ``measured`` (measured here), ``published`` (somebody else's
    number; ``source`` is then required), or derived: ``interval``, ``count``, ``unit`` and ``direction`` show that
    aspect of the cell in column ``of`` and have no cells. ``unit``, ``digits`` (after the point), ``scale`` (shown
    value = value * scale) and ``higher_is_better`` are defaults that a cell may override. The second column may be the
    ``total`` of those after it: a page keeps it in view when the table is scrolled.
    """

    key: str
    title: str
    kind: Kind = "measured"
    unit: str = ""
    higher_is_better: bool | None = None
    digits: int = 4
    scale: float = 1.0
    source: str = ""
    of: str = ""
    total: bool = False

    def __post_init__(self) -> None:
        if self.kind == "published" and not self.source:
            raise ValueError(f"column {self.key!r}: a published column needs its source")
        if (self.kind in DERIVED_KINDS) != bool(self.of):
            raise ValueError(f"column {self.key!r}: only the kinds {', '.join(DERIVED_KINDS)} have, and need, `of`")


@dataclass(frozen=True)
class Cell:
    """One value and what is known about it.

    ``ci`` is (low, high) in the value's own scale, computed by ``ci_method`` from ``ci_prompts`` prompts; if there is
    none, ``ci_missing`` may say why ("all 10 equal"). The ``n_*`` counts are samples. ``note`` becomes a footnote and
    gives the reason if ``value`` is None ("not computed: needs FILE (how to get it)"). ``published=True`` marks
    somebody else's number in a measured column. ``highlight`` is set in bold, ``second`` underlined. NaN becomes a
    missing value at construction; infinities stay.
    """

    value: Value = None
    ci: tuple[float, float] | None = None
    n_requested: int | None = None
    n_ok: int | None = None
    n_failed: int | None = None
    n_skipped: int | None = None
    note: str = ""
    highlight: bool = False
    second: bool = False
    digits: int | None = None
    unit: str | None = None
    scale: float | None = None
    higher_is_better: bool | None = None
    published: bool = False
    source: str = ""
    ci_method: str = ""
    ci_prompts: int | None = None
    ci_missing: str = ""

    def __post_init__(self) -> None:
        value: Any = self.value
        value = value.item() if hasattr(value, "item") else value  # NumPy and torch scalars
        if value is not None and not isinstance(value, (bool, int, float, str)):
            raise TypeError(f"a cell must be a number, text, a truth value or None, not {type(value).__name__}")
        if isinstance(value, float) and math.isnan(value):
            value = None
            object.__setattr__(self, "note", self.note or NOT_A_NUMBER)
        object.__setattr__(self, "value", value)
        if self.ci is not None:
            low, high = (float(bound) for bound in self.ci)
            known = value is not None and not (math.isnan(low) or math.isnan(high))
            object.__setattr__(self, "ci", (low, high) if known else None)
        counts = [n for n in (self.n_ok, self.n_failed, self.n_skipped) if n is not None]
        if any(n < 0 for n in counts) or (self.n_requested is not None and sum(counts) > self.n_requested):
            raise ValueError(f"impossible sample counts: {counts} of {self.n_requested} requested")


@dataclass(frozen=True)
class Row:
    """Cells by column key; a key left out is an empty cell. Consecutive rows of one ``group`` share a heading.

    ``published`` is the source of a row of which all numbers are somebody else's: its label is then marked.
    """

    cells: Mapping[str, Cell]
    group: str | None = None
    published: str = ""


@dataclass(frozen=True)
class Table:
    """A titled table. ``id`` is a stable slug (file name, HTML anchor); ``notes`` appear below it.

    ``label`` is its name in LaTeX, where tables of several runs meet; if empty, the id.
    """

    id: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...] = ()
    caption: str = ""
    notes: tuple[str, ...] = field(default=())
    label: str = ""

    def __post_init__(self) -> None:
        for name in ("columns", "rows", "notes"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        keys = [column.key for column in self.columns]
        if not self.id or not keys or len(set(keys)) != len(keys):
            raise ValueError(f"table {self.id!r} needs an id and columns with distinct keys, got {keys}")
        owners = {column.key for column in self.columns if column.kind not in DERIVED_KINDS}
        for column in self.columns:
            if column.of and column.of not in owners:
                raise ValueError(f"table {self.id!r}: column {column.key!r} derives from unknown column {column.of!r}")
        for row in self.rows:
            if unknown := set(row.cells) - owners:
                raise ValueError(f"table {self.id!r}: cells for unknown columns {sorted(unknown)}")
        sources = {column.key: column.source for column in self.columns}
        if any(row.published for row in self.rows) and self.columns[0].kind != "label":
            raise ValueError(f"table {self.id!r}: rows of published numbers need a label to mark")
        for row in self.rows:
            for key, cell in row.cells.items():
                if cell.published and not (cell.source or sources[key]):
                    raise ValueError(f"table {self.id!r}: the published number in {key!r} needs its source")

    def to_json(self) -> str:
        """The table as JSON text; :meth:`from_json` returns an equal table. Infinities become tagged objects."""
        document = {
            "schema": _SCHEMA,
            "id": self.id,
            "title": self.title,
            "caption": self.caption,
            "columns": [_compact(column) for column in self.columns],
            "rows": [
                {
                    "group": row.group,
                    **({"published": row.published} if row.published else {}),
                    "cells": {key: _compact(cell) for key, cell in row.cells.items()},
                }
                for row in self.rows
            ],
            "notes": list(self.notes),
        }
        return json.dumps(document, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Table:
        """Read the output of :meth:`to_json`. Raises :class:`UserError` if the text isn't such a table."""
        try:
            document = json.loads(text)
            if document["schema"] != _SCHEMA:
                raise ValueError(f"schema {document['schema']!r}")
            rows = tuple(
                Row(
                    {key: Cell(**_decode(cell)) for key, cell in row["cells"].items()},
                    row["group"],
                    row.get("published", ""),
                )
                for row in document["rows"]
            )
            return cls(
                id=document["id"],
                title=document["title"],
                columns=tuple(Column(**_decode(column)) for column in document["columns"]),
                rows=rows,
                caption=document["caption"],
                notes=tuple(document["notes"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"not a nova_bench table: {error}", "write it with Table.to_json") from error


def metric_columns(
    *, published: Mapping[str, tuple[str, str]] | None = None, interval: str = "95 % CI", count: str = "n"
) -> tuple[Column, ...]:
    """The columns of the main layout, one row per metric.

    Keys of cells to fill: ``metric`` (label), ``value`` (measured) and each key of ``published``, which maps a column
    key to (title, source). Interval, count, unit and direction are read from the ``value`` cell.
    """
    return (
        Column("metric", "Metric", "label"),
        Column("direction", "Better", "direction", of="value"),
        Column("value", "Value"),
        Column("interval", interval, "interval", of="value"),
        Column("count", count, "count", of="value"),
        Column("unit", "Unit", "unit", of="value"),
        *(Column(key, title, "published", source=source) for key, (title, source) in (published or {}).items()),
    )


def _compact(item: Column | Cell) -> dict[str, Any]:
    """The fields that differ from their default, ready for JSON."""
    return {f.name: _encode(getattr(item, f.name)) for f in fields(item) if getattr(item, f.name) != f.default}


def _encode(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_encode(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    return value


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_decode(part) for part in value)
    if isinstance(value, dict):
        return float(value["float"]) if set(value) == {"float"} else {key: _decode(v) for key, v in value.items()}
    return value
