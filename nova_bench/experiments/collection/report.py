"""The page of a collection, from the store. Needs no model and no GPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from nova_bench.core.notices import labelled
from nova_bench.core.progress import Progress
from nova_bench.experiments.collection.frame import collection_frame
from nova_bench.experiments.collection.record import CollectionRecord
from nova_bench.experiments.collection.spec import PublishedTable
from nova_bench.experiments.frame_rows import SAMPLES, frame_csv
from nova_bench.experiments.registry import report_run
from nova_bench.experiments.study.conclusion import conclude
from nova_bench.experiments.study.spec import ConclusionSpec
from nova_bench.render.grid import format_count
from nova_bench.render.html.gallery import GalleryItem, GalleryMetric
from nova_bench.render.html.report import Link, Report, Section
from nova_bench.render.table import Cell, Column, Row, Table
from nova_bench.report.reported import LOST, Reported
from nova_bench.report.writing import Content, write_content
from nova_bench.store import Store
from nova_bench.store.store import StoredRun

SAMPLES_EACH = 24
"""Samples of a part on the collection's page; the part's own page has the others."""


def report_collection(run: StoredRun, store: Store, folder: Path, progress: Progress) -> Reported:
    """Rebuild the reports of all parts of a stored collection, and its page."""
    record = CollectionRecord.model_validate(run.suite)
    reports = {}
    for part in record.parts:
        if part.run and store.has_run(part.run):
            stored = store.run(part.run)
            reports[part.run] = report_run(stored, store, store.root / stored.name, progress)
    return write_collection_report(record, reports, store, folder)


def write_collection_report(
    record: CollectionRecord, reports: Mapping[str, Reported], store: Store, folder: Path
) -> Reported:
    """Write the page of a collection, and all parts' tables and figures under their titles.

    A part whose run has no report in ``reports`` lost its run.
    """
    sections, gaps = [], []
    for part in record.parts:
        published = (_published(part.published),) if part.published else ()
        earlier = part.earlier.read_tables() if part.earlier else ()
        drawn = tuple(part.earlier.read_figures()) if part.earlier else ()
        # What was measured earlier is no part of this run, so without it nothing is incomplete.
        lacking = [part.earlier_problem] if part.earlier_problem else []
        if part.run not in reports:
            # A collection is complete without the parts that no suite computes.
            problem = LOST if part.run else part.problem
            gaps += [f"{part.title}: not computed: {problem}"] if problem else []
            missing = f"not computed: {problem or part.not_computed}"
            sections.append(
                Section(
                    part.title,
                    note="not computed",
                    warnings=(missing, *lacking),
                    measured=earlier,
                    published=published,
                    figures=drawn,
                )
            )
            continue
        reported = reports[part.run]
        gaps += [f"{part.title}: {gap}" for gap in reported.gaps]
        shown = f"{format_count(len(reported.tables), 'table')}, {format_count(len(reported.figures), 'figure')}"
        gaps_here = f"; {format_count(len(reported.gaps), 'gap')}" if reported.gaps else ""
        sections.append(
            Section(
                part.title,
                note=f"{shown}{gaps_here}",
                conclusion=_conclusion(store.run(part.run), (*earlier, *reported.tables)),
                warnings=(*reported.gaps, *lacking),
                measured=(*earlier, *reported.tables),
                published=published,
                figures=(*drawn, *reported.figures),
                link=Link("samples and details", reported.page),
            )
        )
    computed = [part for part in record.parts if part.run in reports]
    measured = {part.title: found for part in computed if (found := reports[part.run].tables[:1])}
    headline = measured.get(record.headline) or next(iter(measured.values()), ())
    facts = next((reports[part.run].facts for part in computed if part.title == record.headline), ())
    gallery, metrics = _gallery([(part.title, reports[part.run]) for part in computed], record.headline)
    page = Report(
        title=record.title,
        facts=(*facts, ("parts", f"{len(computed)} of {len(record.parts)}")),
        summary=(record.description,) if record.description else (),
        gallery=gallery,
        samples=sum(len(reports[part.run].gallery) for part in computed),
        metrics=metrics,
        sections=tuple(sections),
        values=sum(reports[part.run].values for part in computed),
        provenance={part.title: store.run(part.run).name for part in computed},
    )
    notices = labelled({part.title: reports[part.run].notices for part in computed})
    files = {SAMPLES: frame_csv(collection_frame(record.stored(), store))}
    content = Content(
        *(record.run_id, record.run_name, page, gaps, notices, files), headline=headline, reading=record.reading
    )
    return write_content(content, folder)


def _conclusion(run: StoredRun, tables: Sequence[Table]) -> str:
    """What a part that is a study concludes; what was measured earlier, on more samples, comes first."""
    asked = run.suite.get("conclusion")
    return conclude(ConclusionSpec.model_validate(asked), tables) if asked else ""


def _gallery(
    parts: Sequence[tuple[str, Reported]], headline: str
) -> tuple[tuple[GalleryItem, ...], tuple[GalleryMetric, ...]]:
    """The first samples of each part, labelled with its title, those of the ``headline`` part first; their metrics."""
    parts = sorted(parts, key=lambda part: part[0] != headline)
    items = [
        replace(item, labels=(title, *item.labels), key=f"{place}-{item.key}")
        for place, (title, reported) in enumerate(parts)
        for item in reported.gallery[:SAMPLES_EACH]
    ]
    metrics = {metric.key: metric for _, reported in parts for metric in reported.metrics}
    return tuple(items), tuple(metrics.values())


def _published(stated: PublishedTable) -> Table:
    """A published table, unchanged."""
    columns = [Column(f"c{index}", title, "published", source=stated.source, digits=2)
               for index, title in enumerate(stated.columns)]  # fmt: skip
    rows = (
        Row({"label": Cell(label), **{f"c{index}": Cell(value) for index, value in enumerate(values)}})
        for label, values in stated.rows.items()
    )
    title = f"{stated.title} (published)"
    return Table(id="published", title=title, columns=(Column("label", "Model", "label"), *columns), rows=tuple(rows))
