"""The report: one self-contained HTML file that works offline, from a folder, an e-mail or a web server."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nova_bench.core.atomic_files import write_atomic
from nova_bench.render.figure_spec import FigureSpec
from nova_bench.render.grid import format_count
from nova_bench.render.html.fragment import html_table
from nova_bench.render.html.gallery import GalleryItem, GalleryMetric, gallery_data
from nova_bench.render.html.media import DEFAULT_BUDGET, MediaShelf, relative_url
from nova_bench.render.html.page import HOME, flat, render_page
from nova_bench.render.html.svg import inline_svg
from nova_bench.render.html.trees import QuestionTree, tree_data
from nova_bench.render.table import Table

DATA_ROWS = 60


@dataclass(frozen=True)
class Link:
    """Another page of the same store, linked relative to the report."""

    title: str
    page: Path


@dataclass(frozen=True)
class Section:
    """A part of a report with its own heading: measured tables, then those of others, then figures.

    ``note`` stands beside the title while the part is folded, ``conclusion`` after it. ``link`` leads to a fuller
    report.
    """

    title: str
    note: str = ""
    conclusion: str = ""
    warnings: tuple[str, ...] = ()
    measured: tuple[Table, ...] = ()
    published: tuple[Table, ...] = ()
    figures: tuple[FigureSpec, ...] = ()
    link: Link | None = None

    @property
    def tables(self) -> tuple[Table, ...]:
        """All tables, in display order."""
        return (*self.measured, *self.published)

    @property
    def heading(self) -> str:
        """The title and the conclusion."""
        return f"{self.title}. {self.conclusion}" if self.conclusion else self.title

    @property
    def slug(self) -> str:
        """The title as the name of a folder: lower-case letters, digits and -."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-") or "part"


@dataclass(frozen=True)
class Report:
    """Everything a report shows. Any text may be foreign: all text is escaped.

    ``facts`` are (label, value) pairs shown large at the top; ``summary`` are sentences; ``protocol`` are (label,
    value) pairs that say how samples were made; ``warnings`` are shown before any number, ``notices`` below them. The
    first ``lead`` of the ``tables`` are on the first screens, with ``reading``, how to read them; the others are
    folded, as the sections are. ``links`` lead to further reports. ``samples``: the number of samples if
    the gallery shows fewer. ``values``: the number of measured values behind the report, stated in the page for
    programs only. ``metrics`` describes what the gallery sorts by. ``provenance`` maps a heading to text or to another
    mapping, e.g. checkpoint, suite digest, versions, command line. ``trees`` are prompts with questions about their
    images; ``trees_note`` says which prompts these are.
    """

    title: str
    subtitle: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    summary: tuple[str, ...] = ()
    protocol: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    lead: int = 1
    reading: tuple[str, ...] = ()
    figures: tuple[FigureSpec, ...] = ()
    gallery: tuple[GalleryItem, ...] = ()
    samples: int = 0
    values: int = 0
    metrics: tuple[GalleryMetric, ...] = ()
    trees: tuple[QuestionTree, ...] = ()
    trees_note: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    sections: tuple[Section, ...] = ()
    links: tuple[Link, ...] = ()


def write_report(report: Report, path: Path, *, media_budget: int = DEFAULT_BUDGET) -> Path:
    """Write ``report`` to ``path`` atomically and return it.

    Clips and posters are embedded until they take up ``media_budget`` bytes of the page; further ones are linked
    relative to ``path``, and the page says so. Posters that are linked are written beside it.
    """
    path = Path(path)
    shelf = MediaShelf(path, media_budget)
    text = render_report(report, path, shelf)
    for name, content in shelf.files.items():
        write_atomic(name, content)
    return write_atomic(path, text.encode("utf-8", "replace"))


def render_report(report: Report, path: Path, shelf: MediaShelf) -> str:
    """The page's text; ``path`` is its future location, which linked media are relative to."""
    fragments = _Fragments(report.summary)
    trees = tree_data(report.trees, shelf)
    gallery = gallery_data(report.gallery, report.metrics, shelf)
    return render_page(
        HOME,
        "report.html.j2",
        [(HOME, "report.css"), *([(HOME, "trees.css")] if trees else [])],
        [
            (HOME, name)
            for name in ("tables.js", "media.js", "gallery.js", *(["trees.js"] if trees else []), "folds.js")
        ],
        report=report,
        lead=fragments.of(report.tables[: report.lead]),
        tables=fragments.of(report.tables[report.lead :]),
        figures=[_figure(spec, number) for number, spec in enumerate(report.figures, 1)],
        sections=list(_sections(report, Path(path), fragments)),
        links=[(link.title, relative_url(link.page, Path(path))) for link in report.links],
        gallery=gallery,
        trees=trees,
        shelf=shelf,
        notes=_gallery_notes(report, shelf),
        provenance=list(flat(report.provenance)),
    )


class _Fragments:
    """Tables as markup; the second of an id or title on the page gets a number after it, and so on.

    A caption that only repeats what the page ``said`` before is left out.
    """

    def __init__(self, said: Sequence[str]) -> None:
        self._said, self._seen = said, Counter[str]()

    def of(self, tables: Sequence[Table]) -> list[Any]:
        return [self._one(table) for table in tables]

    def _one(self, table: Table) -> Any:
        from markupsafe import Markup

        self._seen.update({table.id: 1, f" {table.title}": 1})
        count = max(self._seen[table.id], self._seen[f" {table.title}"])
        shown = replace(table, caption="") if table.caption in self._said else table
        return Markup(html_table(shown, f"-{count}" if count > 1 else ""))


def _sections(report: Report, path: Path, fragments: _Fragments) -> Iterator[dict[str, Any]]:
    """Sections for the template; figures are numbered throughout the page."""
    number = len(report.figures)
    for index, section in enumerate(report.sections, 1):
        figures = [_figure(spec, number + position) for position, spec in enumerate(section.figures, 1)]
        number += len(figures)
        yield {
            "id": f"part-{index}",
            "title": section.title,
            "note": section.note,
            "heading": section.heading,
            "warnings": section.warnings,
            "tables": fragments.of(section.tables),
            "figures": figures,
            "link": section.link and (section.link.title, relative_url(section.link.page, path)),
        }


def _figure(spec: FigureSpec, number: int) -> dict[str, Any]:
    from markupsafe import Markup

    records = list(spec.records())
    return {
        "spec": spec,
        "number": number,
        "svg": Markup(inline_svg(spec, f"f{number}-")),
        "names": list(records[0]) if records else [],
        "records": records if len(records) <= DATA_ROWS else [],
        "count": len(records),
    }


def _gallery_notes(report: Report, shelf: MediaShelf) -> list[str]:
    """What a reader must know about the samples: how many failed, and which files the page doesn't contain."""
    failed = sum(item.status == "failed" for item in report.gallery)
    shown = format_count(len(report.gallery), "sample")
    if report.samples > len(report.gallery):
        shown = f"{len(report.gallery):,} of {format_count(report.samples, 'sample')}"
    notes = [f"{shown}, {failed:,} failed."]
    if shelf.embedded:
        notes.append(f"{format_count(shelf.embedded, 'media file')} embedded in this page.")
    if shelf.linked:
        linked = format_count(shelf.linked, "media file")
        notes.append(f"{linked} linked by relative path: keep this page beside its files to see them.")
    return notes
