"""From the store to tables, figures and the report page. Needs no model and no GPU."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nova_bench.aggregate import MetricSummary, SampleScore, collect, summarise
from nova_bench.assets import asset_path
from nova_bench.atomic import write_atomic
from nova_bench.errors import MediaError, MissingAsset
from nova_bench.manifest import read_manifest
from nova_bench.models.base import Unit
from nova_bench.plan import Plan, PlannedScorer
from nova_bench.progress import Progress
from nova_bench.render.table import Cell, Column, Table, metric_columns
from nova_bench.render.table import Row as TableRow
from nova_bench.scorers.catalog import SCORERS
from nova_bench.spec import ModelSpec, Suite
from nova_bench.store import Artifact, FailedUnit, Row, Status, Store
from nova_bench.store.store import StoredRun

if TYPE_CHECKING:
    from nova_bench.render.figure_spec import FigureSpec
    from nova_bench.render.html.report import GalleryItem

# A table of single samples is readable up to here; beyond, `samples.csv` and the gallery have them.
SAMPLE_TABLE_ROWS = 24


@dataclass(frozen=True)
class Reported:
    """What a report shows and where it lies. ``gaps`` says in a line each what was asked for and has no number."""

    tables: tuple[Table, ...]
    gaps: tuple[str, ...]
    page: Path


def plan_of(run: StoredRun) -> Plan:
    """The plan of a stored run. Only what reporting needs: the model section keeps adapter and label."""
    model = ModelSpec(adapter=run.suite["model"]["adapter"], label=run.suite["model"].get("label", ""))
    suite = Suite.model_validate({**run.suite, "model": model, "scorers": [{"name": s["name"]} for s in run.scorers]})
    scorers = []
    for stored in run.scorers:
        info = SCORERS.get(stored["name"])
        settings = info.settings.model_validate(stored["settings"])
        scorers.append(PlannedScorer(info, settings, frozenset(stored["tags"]), stored["identity"]))
    units = tuple(Unit(**{**unit, "tags": tuple(unit["tags"])}) for unit in run.units)
    return Plan(suite, units, tuple(scorers), run.run)


def write_run_report(plan: Plan, store: Store, folder: Path, progress: Progress) -> Reported:
    """Write `report/` into a run's folder: index.html, tables, figures, samples.csv."""
    from nova_bench.render.export import write_tables
    from nova_bench.render.figures import write_figure
    from nova_bench.render.html.report import Report, write_report

    artifacts = store.artifacts(unit.digest for unit in plan.units)
    rows = store.rows((scorer.identity for scorer in plan.scorers), details=True)
    samples = [collect(plan.units, scorer, artifacts, rows) for scorer in plan.scorers]
    summaries = summarise(plan.scorers, samples, plan.suite.statistics)
    tables = [metrics_table(plan, summaries)]
    if len(plan.units) <= SAMPLE_TABLE_ROWS:
        tables.append(samples_table(plan, summaries))
    figures = _figures(plan, summaries)
    out = folder / "report"
    write_tables(tables, out / "tables")
    for figure in figures:
        write_figure(figure, out / "figures")
    write_atomic(out / "samples.csv", _samples_csv(plan, summaries).encode())
    gaps = _gaps(summaries)
    page = write_report(
        Report(
            title=plan.suite.title,
            subtitle=_model_name(plan),
            summary=[plan.suite.description, _counts(plan, artifacts)],
            tables=tables,
            figures=figures,
            gallery=_gallery(plan, summaries, artifacts, progress),
            provenance=_provenance(plan, folder),
            warnings=gaps,
            embed_megabytes=plan.suite.report.embed_megabytes,
        ),
        out / "index.html",
    )
    return Reported(tuple(tables), tuple(gaps), page)


def metrics_table(plan: Plan, summaries: Sequence[MetricSummary]) -> Table:
    """One row per metric: value, interval, counts, and the published numbers beside."""
    published = {f"published{i}": (p.label, p.source) for i, p in enumerate(plan.suite.published)}
    percent = f"{plan.suite.statistics.confidence * 100:g} % CI"
    table_rows = []
    for summary in summaries:
        cells = {"metric": Cell(summary.scorer.info.name), "value": _value_cell(summary)}
        table_rows.append(TableRow({**cells, **_published_cells(plan, summary.scorer.info.name)}))
    measured = {summary.scorer.info.name for summary in summaries}
    for name in dict.fromkeys(name for column in plan.suite.published for name in column.values):
        if name not in measured:
            note = "not computed: this suite has no scorer of that name"
            table_rows.append(
                TableRow({"metric": Cell(name), "value": Cell(None, note=note), **_published_cells(plan, name)})
            )
    return Table(
        id="metrics",
        title=f"{plan.suite.title}: {_model_name(plan)}",
        columns=metric_columns(published=published, interval=percent),
        rows=tuple(table_rows),
        caption=plan.suite.description,
        notes=(_interval_note(plan),),
    )


def samples_table(plan: Plan, summaries: Sequence[MetricSummary]) -> Table:
    """One row per sample, one column per metric."""
    columns = [Column("prompt", "Sample", "label")]
    for summary in summaries:
        info = summary.scorer.info
        columns.append(
            Column(info.name, info.name, unit=info.unit, higher_is_better=info.higher_is_better, digits=info.digits)
        )
    by_unit = _by_unit(summaries)
    table_rows = []
    for unit in plan.units:
        cells = {"prompt": Cell(_sample_name(unit))}
        for name, score in by_unit.get(unit.digest, {}).items():
            cells[name] = _sample_cell(score)
        table_rows.append(TableRow(cells))
    return Table(id="samples", title="Every sample", columns=tuple(columns), rows=tuple(table_rows))


def _value_cell(summary: MetricSummary) -> Cell:
    info = summary.scorer.info
    return Cell(
        summary.value,
        ci=summary.interval,
        n_requested=summary.n_requested,
        n_ok=summary.n_ok,
        n_failed=summary.n_failed,
        n_skipped=summary.n_not_measurable,
        note="" if summary.value is not None else why_missing(summary),
        digits=info.digits,
        unit=info.unit,
        higher_is_better=info.higher_is_better,
    )


def why_missing(summary: MetricSummary) -> str:
    """Why a metric has no value: what it needs and how to get it, or what went wrong."""
    try:
        for name in summary.scorer.info.assets:
            asset_path(name)
    except MissingAsset as missing:
        return f"not computed: {missing}"
    if summary.n_requested == 0:
        return "not computed: no sample has its tags"
    if summary.n_failed:
        first = next(score for score in summary.samples if score.status == Status.FAILED)
        return f"not computed: {summary.n_failed} of {summary.n_requested} samples failed: {_why(first)}"
    if summary.n_not_measurable:
        first = next(score for score in summary.samples if score.status == Status.NOT_MEASURABLE)
        return f"not measurable on these samples: {first.row.message}"
    return "not computed yet: run the suite again, it continues"


def _why(score: SampleScore) -> str:
    return score.row.message if score.row is not None else score.problem


def _sample_cell(score: SampleScore) -> Cell:
    if score.status == Status.OK:
        return Cell(score.row.value)
    if score.status == Status.NOT_MEASURABLE:
        return Cell(None, note=f"not measurable: {score.row.message}")
    return Cell(None, note=f"failed: {_why(score)}" if score.status == Status.FAILED else "not computed yet")


def _published_cells(plan: Plan, name: str) -> dict[str, Cell]:
    return {
        f"published{index}": Cell(column.values[name])
        for index, column in enumerate(plan.suite.published)
        if name in column.values
    }


def _gaps(summaries: Sequence[MetricSummary]) -> list[str]:
    """What was asked for and has no number; a metric that can't be measured on a sample is no gap."""
    gaps = []
    for summary in summaries:
        name = summary.scorer.info.name
        if summary.n_failed or summary.n_missing:
            done = f"{summary.n_ok} of {summary.n_requested} samples scored"
            reason = why_missing(summary) if summary.value is None else _first_problem(summary)
            gaps.append(f"{name}: {done}; {reason}")
        elif summary.value is None:
            gaps.append(f"{name}: {why_missing(summary)}")
    return gaps


def _first_problem(summary: MetricSummary) -> str:
    failed = [score for score in summary.samples if score.status == Status.FAILED]
    return f"first error: {_why(failed[0])}" if failed else "not computed yet: run the suite again, it continues"


def _figures(plan: Plan, summaries: Sequence[MetricSummary]) -> list[FigureSpec]:
    from nova_bench.render.figure_spec import Group, Interval, MetricDistribution, MetricIntervals, Panel

    percent = f"{plan.suite.statistics.confidence * 100:g} % CI"
    first = plan.suite.published[0] if plan.suite.published else None
    intervals = [
        Interval(
            label=summary.scorer.info.name,
            value=summary.value,
            ci=summary.interval,
            published=first.values.get(summary.scorer.info.name) if first else None,
            unit=summary.scorer.info.unit,
            digits=summary.scorer.info.digits,
            note="not computed" if summary.n_not_measurable < summary.n_requested else "not measurable",
        )
        for summary in summaries
    ]
    panels = [
        Panel(
            summary.scorer.info.name,
            (Group(_model_name(plan), tuple(s.row.value for s in summary.samples if s.status == Status.OK)),),
            summary.scorer.info.unit,
        )
        for summary in summaries
        if summary.n_ok
    ]
    figures: list[FigureSpec] = [
        MetricIntervals(
            id="metric_intervals",
            title="Means and confidence intervals",
            caption=_interval_note(plan),
            intervals=tuple(intervals),
            published_label=f"published: {first.label}" if first else "published",
            ci_label=f"mean, {percent}",
        )
    ]
    if panels:
        figures.append(
            MetricDistribution(
                id="metric_distribution",
                title="Scores of single samples",
                caption="Each mark is one sample.",
                panels=tuple(panels),
                width="page",
            )
        )
    return figures


def _gallery(
    plan: Plan,
    summaries: Sequence[MetricSummary],
    artifacts: dict[str, Artifact | FailedUnit],
    progress: Progress,
) -> list[GalleryItem]:
    """Failures first, then samples in plan order, up to the suite's limit."""
    from nova_bench.render.html.report import GalleryItem

    by_unit = _by_unit(summaries)
    failed = {
        digest for digest, scores in by_unit.items() if any(score.status == Status.FAILED for score in scores.values())
    }
    units = sorted(plan.units, key=lambda unit: unit.digest not in failed)[: plan.suite.report.gallery]
    items = []
    with progress.stage("gallery", len(units)) as advance:
        for unit in units:
            scores = by_unit.get(unit.digest, {})
            artifact = artifacts.get(unit.digest)
            path = artifact.path if isinstance(artifact, Artifact) else None
            problems = dict.fromkeys(_why(score) for score in scores.values() if score.status == Status.FAILED)
            ok = {name: score.row for name, score in scores.items() if score.status == Status.OK}
            items.append(
                GalleryItem(
                    prompt=unit.prompt,
                    sample_index=unit.sample_index,
                    status="failed" if problems else "ok" if ok else "skipped",
                    error="; ".join(problems) or None,
                    scores={name: row.value for name, row in ok.items()},
                    details={name: series for name, row in ok.items() if (series := _series(row))},
                    media=path,
                    poster=_poster(path),
                    reference=Path(unit.reference) if unit.reference else None,
                    labels=unit.tags,
                )
            )
            advance(1)
    return items


def _series(row: Row) -> list[float]:
    """The first per-frame or per-pair series among a row's details."""
    for value in row.details.values():
        if isinstance(value, list) and len(value) > 1 and all(isinstance(item, int | float) for item in value):
            return value
    return []


def _poster(path: Path | None) -> bytes | None:
    from nova_bench.render.posters import poster_jpeg
    from nova_bench.video import read_clip

    if path is None:
        return None
    try:
        return poster_jpeg(read_clip(path, max_frames=1, allow_truncated=True).frames[0].numpy())
    except MediaError:
        return None


def _by_unit(summaries: Sequence[MetricSummary]) -> dict[str, dict[str, SampleScore]]:
    table: dict[str, dict[str, SampleScore]] = {}
    for summary in summaries:
        for score in summary.samples:
            table.setdefault(score.unit.digest, {})[summary.scorer.info.name] = score
    return table


def _samples_csv(plan: Plan, summaries: Sequence[MetricSummary]) -> str:
    """One line per sample and metric: the raw rows, for any other tool."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["prompt", "sample_index", "tags", "metric", "status", "value", "weight", "unit", "message"])
    for summary in summaries:
        info = summary.scorer.info
        for score in summary.samples:
            row = score.row
            writer.writerow(
                [
                    score.unit.prompt,
                    score.unit.sample_index,
                    ";".join(score.unit.tags),
                    info.name,
                    score.status or "not computed",
                    "" if row is None or row.value is None else repr(row.value),
                    "" if row is None else row.weight,
                    info.unit,
                    _why(score),
                ]
            )
    return stream.getvalue()


def _provenance(plan: Plan, folder: Path) -> dict[str, Any]:
    manifest = read_manifest(folder)
    facts: dict[str, Any] = {"suite": plan.suite.name, "run": plan.run_id[:12], "seed": plan.suite.seed}
    if invocations := manifest.get("invocations"):
        last = invocations[-1]
        git = last.get("git") or {}
        revision = git.get("revision", "not under git")[:12] + (" (with local changes)" if git.get("dirty") else "")
        facts |= {
            "date": last["ended"],
            "device": ", ".join(f"{key} {value}" for key, value in last["device"].items()),
            "nova_bench": last["nova_bench"],
            "revision": revision,
            "python": last["python"],
            "torch": last["packages"].get("torch"),
            "command": " ".join(last["command"]),
        }
    facts["scorers"] = "; ".join(f"{s.info.name} {s.info.version} ({s.info.source})" for s in plan.scorers)
    return facts


def _counts(plan: Plan, artifacts: dict[str, Artifact | FailedUnit]) -> str:
    there = sum(isinstance(artifact, Artifact) for artifact in artifacts.values())
    prompts = len({unit.prompt_id for unit in plan.units})
    return f"{there} of {len(plan.units)} samples of {prompts} prompts."


def _interval_note(plan: Plan) -> str:
    statistics = plan.suite.statistics
    return (
        f"Intervals: {statistics.confidence * 100:g} % percentile bootstrap over prompts, "
        f"{statistics.resamples:,} resamples, seed {statistics.seed}; none where fewer than two prompts have a score."
    )


def _model_name(plan: Plan) -> str:
    return plan.suite.model.label or plan.suite.model.adapter


def _sample_name(unit: Unit) -> str:
    return unit.prompt if unit.sample_index == 0 else f"{unit.prompt} [{unit.sample_index}]"
