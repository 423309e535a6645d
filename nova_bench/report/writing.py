"""The only writer of reports: every kind of experiment states the content, and this module writes the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from nova_bench.core.atomic_files import write_atomic
from nova_bench.core.notices import Notice
from nova_bench.render.export import write_tables
from nova_bench.render.figures import FILE_FORMATS, write_figure
from nova_bench.render.html.media import DEFAULT_BUDGET
from nova_bench.render.html.report import Report, Section, write_report
from nova_bench.render.table import Table
from nova_bench.report.notices import page_lines, write_notices
from nova_bench.report.reported import Reported
from nova_bench.report.richness import PAGE, kept_report

FOLDER = "report"
"""Name of the report's folder inside a run's folder."""


@dataclass(frozen=True)
class Content:
    """What the report of a run contains.

    ``page`` is all that index.html shows, except the ``notices``, which are listed in notices.csv too. ``gaps`` lists,
    one line each, what was requested but has no value. ``files`` are further files by name; a file without text is
    removed if an earlier report wrote it.
    """

    run: str
    """The run's id."""
    name: str
    """The name of its folder."""
    page: Report
    gaps: Sequence[str] = ()
    notices: Sequence[Notice] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    media_budget: int = DEFAULT_BUDGET
    """Bytes of media that the page may embed."""
    figure_formats: Sequence[str] = FILE_FORMATS
    headline: Sequence[Table] | None = None
    """The tables of its sections that a run prints and that are on the page's first screens; None: the page's own."""
    reading: Sequence[str] = ()
    """How to read these, a line each."""


def write_content(content: Content, folder: Path) -> Reported:
    """Write `report/` into a run's folder: index.html, tables, figures, notices.csv, and the content's own files.

    Tables and figures of a section are in folders named by its slug. If the existing report shows more, it is kept
    instead, and the notices of the result say so.
    """
    out = folder / FOLDER
    page = replace(content.page, notices=page_lines(content.notices), reading=tuple(content.reading))
    sections = page.sections
    reported = Reported(
        run=content.run,
        tables=(*page.tables, *(table for section in sections for table in section.measured)),
        figures=(*page.figures, *(figure for section in sections for figure in section.figures)),
        gaps=tuple(content.gaps),
        page=out / PAGE,
        notices=tuple(content.notices),
        values=page.values,
        headline=None if content.headline is None else tuple(content.headline),
        reading=tuple(content.reading),
        facts=page.facts,
        gallery=page.gallery,
        metrics=page.metrics,
    )
    if kept := kept_report(out, page, content.name):
        return reported.with_kept(kept)
    parts: list[tuple[Path, Report | Section]] = [(Path(), page), *((Path(part.slug), part) for part in sections)]
    for place, part in parts:
        label = ":".join([content.name, *place.parts])
        write_tables([replace(table, label=f"{label}:{table.id}") for table in part.tables], out / "tables" / place)
        for figure in part.figures:
            write_figure(figure, out / "figures" / place, content.figure_formats)
    for name, text in content.files.items():
        if text:
            write_atomic(out / name, text.encode())
        else:
            (out / name).unlink(missing_ok=True)
    write_notices(content.notices, out)
    shown = (
        page if content.headline is None else replace(page, tables=tuple(content.headline), lead=len(content.headline))
    )
    write_report(shown, out / PAGE, media_budget=content.media_budget)
    return reported
