"""Writes tables in every format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from nova_bench.core.atomic_files import write_atomic
from nova_bench.core.errors import UserError
from nova_bench.render.csv_json import csv_table, json_table
from nova_bench.render.files import distinct_names
from nova_bench.render.html.fragment import html_table
from nova_bench.render.latex import latex_table
from nova_bench.render.markdown import markdown_table
from nova_bench.render.table import Table
from nova_bench.render.terminal import ansi_text, plain_text

FORMATS: dict[str, tuple[Callable[[Table], str], str]] = {
    "text": (plain_text, ".txt"),
    "ansi": (ansi_text, ".ansi"),
    "markdown": (markdown_table, ".md"),
    "latex": (latex_table, ".tex"),
    "csv": (csv_table, ".csv"),
    "json": (json_table, ".json"),
    "html": (html_table, ".html"),
}
FILE_FORMATS = ("markdown", "latex", "csv", "json")


def render_table(table: Table, format: str) -> bytes:
    """``table`` as UTF-8 bytes in one of :data:`FORMATS`. Raises :class:`UserError` for another name."""
    if format not in FORMATS:
        raise UserError(f"unknown table format {format!r}", f"choose one of: {', '.join(FORMATS)}")
    writer, _ = FORMATS[format]
    return writer(table).encode("utf-8", "replace")


def write_tables(tables: Iterable[Table], folder: Path, formats: Sequence[str] = FILE_FORMATS) -> list[Path]:
    """Write every table in every format as ``folder/ID.EXT`` and return the paths. Files are replaced atomically."""
    tables = list(tables)
    stems = distinct_names(table.id for table in tables)
    return [
        write_atomic(Path(folder) / (stem + FORMATS[format][1]), render_table(table, format))
        for table, stem in zip(tables, stems, strict=True)
        for format in formats
    ]
