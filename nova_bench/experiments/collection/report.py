"""From the store to the page of a collection. Needs no model and no GPU."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from nova_bench.core.notices import labelled
from nova_bench.core.progress import Progress
from nova_bench.experiments.collection.record import CollectionRecord
from nova_bench.experiments.collection.spec import PublishedTable
from nova_bench.experiments.registry import report_run
from nova_bench.render.export import write_tables
from nova_bench.render.figures import write_figure
from nova_bench.render.html.report import Link, Report, Section, write_report
from nova_bench.render.table import Cell, Column, Row, Table
from nova_bench.report.notices import page_lines, write_notices
from nova_bench.report.reported import Reported
from nova_bench.store import Store
from nova_bench.store.store import StoredRun


def report_collection(run: StoredRun, store: Store, folder: Path, progress: Progress) -> Reported:
    """Rebuild the reports of all parts of a stored collection, and its page."""
    record = CollectionRecord.model_validate(run.suite)
    reports = {}
    for part in record.parts:
        if part.run:
            stored = store.run(part.run)
            reports[part.run] = report_run(stored, store, store.root / stored.name, progress)
    return write_collection_report(record, reports, store, folder)


def write_collection_report(
    record: CollectionRecord, reports: Mapping[str, Reported], store: Store, folder: Path
) -> Reported:
    """Write `report/` into a collection's folder: index.html, and all parts' tables and figures under their titles."""
    out, sections, gaps = folder / "report", [], []
    for part in record.parts:
        published = (_published(part.published),) if part.published else ()
        write_tables(published, out / "tables" / _slug(part.title))
        if not part.run:
            # What no suite computes was never asked for: it is told, and the run is complete without it.
            gaps += [f"{part.title}: not computed: {part.problem}"] if part.problem else []
            missing = f"not computed: {part.problem or part.not_computed}"
            sections.append(Section(part.title, warnings=(missing,), tables=published))
            continue
        reported = reports[part.run]
        gaps += [f"{part.title}: {gap}" for gap in reported.gaps]
        write_tables(reported.tables, out / "tables" / _slug(part.title))
        for figure in reported.figures:
            write_figure(figure, out / "figures" / _slug(part.title))
        sections.append(
            Section(
                part.title,
                warnings=reported.gaps,
                tables=(*reported.tables, *published),
                figures=reported.figures,
                link=Link("samples and details", reported.page),
            )
        )
    notices = labelled({part.title: reports[part.run].notices for part in record.parts if part.run})
    write_notices(notices, out)
    computed = [part for part in record.parts if part.run]
    tables = tuple(table for part in computed for table in reports[part.run].tables)
    figures = tuple(figure for part in computed for figure in reports[part.run].figures)
    page = write_report(
        Report(
            title=record.title,
            facts=(
                ("parts", f"{len(computed)} of {len(record.parts)}"),
                ("tables", str(len(tables))),
                ("figures", str(len(figures))),
            ),
            summary=(record.description,) if record.description else (),
            sections=tuple(sections),
            notices=page_lines(notices),
            provenance={part.title: store.run(part.run).name for part in computed},
        ),
        out / "index.html",
    )
    return Reported(record.run_id, tables, figures, tuple(gaps), page, tuple(notices))


def _published(stated: PublishedTable) -> Table:
    """A published table as it is."""
    columns = [Column(f"c{index}", title, "published", source=stated.source, digits=2)
               for index, title in enumerate(stated.columns)]  # fmt: skip
    rows = (
        Row({"label": Cell(label), **{f"c{index}": Cell(value) for index, value in enumerate(values)}})
        for label, values in stated.rows.items()
    )
    title = f"{stated.title} (published)"
    return Table(id="published", title=title, columns=(Column("label", "Model", "label"), *columns), rows=tuple(rows))


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "part"
