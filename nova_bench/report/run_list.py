"""The runs of a store: what each is, and its main number, as a table and as a page with links."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nova_bench.config.suite import label_of
from nova_bench.core.atomic_files import write_atomic
from nova_bench.render.grid import format_number
from nova_bench.render.html.page import HOME, render_page
from nova_bench.render.html.report import relative_url
from nova_bench.render.table import Cell, Column, Row, Table
from nova_bench.report.richness import PAGE
from nova_bench.report.writing import FOLDER
from nova_bench.store import Store

INDEX = "index.html"
"""The page of a store's runs, in its folder."""
_TABLES = ("metrics", "study", "inference_time")
"""Where the main number is: the first row of the first of these tables that a run has."""


@dataclass(frozen=True)
class ListedRun:
    """A run as a list shows it. ``headline`` is its first number, empty if its report has none."""

    name: str
    title: str
    model: str
    created: str
    samples: int
    headline: str
    page: Path | None


def listed_runs(store: Store) -> list[ListedRun]:
    """The runs of a store, newest first."""
    return [_listed(store.root, *found) for found in store.run_summaries()]


def runs_table(runs: Sequence[ListedRun]) -> Table:
    """A row for each run."""
    titles = {"run": "Run", "created": "Made (UTC)", "title": "Title", "model": "Model"}
    return Table(
        id="runs",
        title="Runs",
        columns=(
            *(Column(key, title, "label") for key, title in titles.items()),
            Column("samples", "Samples", digits=0),
            Column("headline", "First number", "label"),
        ),
        rows=tuple(
            Row(
                {
                    "run": Cell(run.name),
                    "created": Cell(_minute(run.created)),
                    "title": Cell(run.title),
                    "model": Cell(run.model),
                    **({"samples": Cell(run.samples)} if run.samples else {}),
                    "headline": Cell(run.headline),
                }
            )
            for run in runs
        ),
    )


def write_index(store: Store) -> Path:
    """Write the page that lists a store's runs, with a link to the report of each; return its path."""
    path = store.root / INDEX
    rows = [
        {
            "run": run,
            "made": _minute(run.created),
            "link": relative_url(run.page, path) if run.page else "",
        }
        for run in listed_runs(store)
    ]
    text = render_page(HOME, "runs.html.j2", [(HOME, "report.css")], [(HOME, "tables.js")], rows=rows)
    return write_atomic(path, text.encode("utf-8", "replace"))


def _listed(root: Path, name: str, suite: dict[str, Any], created: str, samples: int) -> ListedRun:
    model = suite.get("model") or {}
    page = root / name / FOLDER / PAGE
    return ListedRun(
        name=name,
        title=str(suite.get("title") or suite.get("name") or ""),
        model=label_of(model),
        created=created,
        samples=samples,
        headline=_headline(page.parent / "tables"),
        page=page if page.is_file() else None,
    )


def _headline(tables: Path) -> str:
    """``temporal_flickering 0.9952``; empty without a number."""
    for name in _TABLES:
        try:
            document = json.loads((tables / f"{name}.json").read_text(encoding="utf-8"))
            cells = document["rows"][0]["cells"]
            value = cells["value"]
            label = next(cells[column["key"]]["value"] for column in document["columns"] if column["kind"] == "label")
            number = format_number(value["value"], value.get("digits", 2))
            return f"{label} {number} {value.get('unit', '')}".rstrip()
        except (OSError, ValueError, LookupError, TypeError, StopIteration):  # no such table, or of another version
            continue
    return ""


def _minute(created: str) -> str:
    return created[:16].replace("T", " ")
