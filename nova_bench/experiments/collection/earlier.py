"""Tables and figures of an earlier run, from a folder: what a page shows that takes hours, or a GPU, to measure."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from nova_bench.config.fields import SpecModel
from nova_bench.core.errors import MissingAsset, UserError
from nova_bench.render.figure_spec import FigureSpec
from nova_bench.render.figures import read_figure
from nova_bench.render.table import Table

ABOUT = "about.json"
"""What results/collect.py writes beside tables and figures: the run, its date, version and device."""


class EarlierResults(SpecModel):
    """The content of such a folder, as the store keeps it."""

    about: dict[str, str]
    """The run, its date, version and device."""
    tables: tuple[str, ...]
    """Tables as JSON text."""
    figures: tuple[str, ...]
    """Figures as JSON text, without those that need pictures."""

    def read_tables(self) -> tuple[Table, ...]:
        """The tables, each of which says when it was measured."""
        return tuple(self._dated(Table.from_json(text)) for text in self.tables)

    def read_figures(self) -> Iterator[FigureSpec]:
        """The figures, each of which says when it was measured."""
        for text in self.figures:
            if (figure := read_figure(text)) is not None:
                yield replace(figure, id=f"earlier_{figure.id}", caption=f"{figure.caption} {self._said()}".strip())

    def _dated(self, table: Table) -> Table:
        title, notes = f"{table.title} (measured earlier)", (self._said(), *table.notes)
        return replace(table, id=f"earlier_{table.id}", title=title, notes=notes)

    def _said(self) -> str:
        facts = "; ".join(f"{name} {value}" for name, value in self.about.items())
        return f"Measured earlier, not by this run ({facts})."


def read_earlier(folder: Path) -> EarlierResults:
    """Read a folder of results. Raises MissingAsset if there is none and UserError if its files can't be read."""
    if not os.path.isfile(folder / ABOUT):
        raise MissingAsset(f"no results in {folder}", "measure them, or leave out `results`")
    try:
        about = {str(name): str(value) for name, value in json.loads((folder / ABOUT).read_bytes()).items()}
        tables, figures = (
            tuple(path.read_text(encoding="utf-8") for path in sorted((folder / part).glob("*.json")))
            for part in ("tables", "figures")
        )
        found = EarlierResults(about=about, tables=tables, figures=tuple(t for t in figures if read_figure(t)))
        found.read_tables()
    except (OSError, ValueError, AttributeError, UserError) as error:
        reason = error.message if isinstance(error, UserError) else str(error)
        raise UserError(f"{folder}: not a folder of results ({reason})", "results/collect.py writes one") from error
    return found
