"""Tables, figures and page of a latency run, from the store. Needs no model and no GPU."""

from __future__ import annotations

from pathlib import Path

from nova_bench.core.notices import Notice
from nova_bench.core.progress import Progress
from nova_bench.experiments.latency.build import build_digest
from nova_bench.experiments.latency.comparison import Comparison, comparison_point, heaviest_row
from nova_bench.experiments.latency.figures import latency_figures
from nova_bench.experiments.latency.plan import LatencyPlan, Point
from nova_bench.experiments.latency.spec import LatencySuite
from nova_bench.experiments.latency.store import Measured, comparison_of, measured_points, times_of
from nova_bench.experiments.latency.tables import (
    RANDOM_NOTE,
    calls_csv,
    checks_table,
    curves_table,
    overhead_table,
    parts_table,
    times_table,
    why_missing,
)
from nova_bench.models.nova import NovaSpec
from nova_bench.render.html.report import Report
from nova_bench.report.provenance import last_invocation
from nova_bench.report.reported import Reported
from nova_bench.report.writing import FOLDER, Content, write_content
from nova_bench.store import Store
from nova_bench.store.store import StoredRun

PERFETTO = "ui.perfetto.dev"
OLDER_BUILD = "timed by an older build: the code that was timed has changed since; `run` measures again"


def report_latency(run: StoredRun, store: Store, folder: Path, progress: Progress) -> Reported:
    """Write the report of a stored run of the kind "latency"."""
    return write_latency_report(latency_plan_of(run), store, folder)


def latency_plan_of(run: StoredRun) -> LatencyPlan:
    """The plan of a stored run."""
    model = NovaSpec.model_validate(run.suite["model"])
    suite = LatencySuite.model_validate({**run.suite, "model": model})
    (scorer,) = run.scorers
    points = tuple(Point(**unit) for unit in run.units)
    return LatencyPlan(suite, points, scorer["identity"], scorer["machine"], scorer.get("build", ""))


def write_latency_report(plan: LatencyPlan, store: Store, folder: Path) -> Reported:
    """Write the report into a run's folder, with calls.csv; existing traces are listed."""
    measured = measured_points(plan, store)
    row, how = heaviest_row(plan, measured), plan.suite.measure.overhead
    found = comparison_of(plan, comparison_point(plan, row, how), store) if row and how else None
    comparison = Comparison(found.details) if found and found.ok else None
    tables = [times_table(plan, measured), parts_table(plan, measured), checks_table(plan, measured)]
    if row:
        tables.append(overhead_table(plan, row, found))
    if plan.suite.curves:
        tables.append(curves_table(plan, measured))
    figures = latency_figures(plan, measured)
    times = times_of(plan, measured)
    gaps = _gaps(plan, measured)
    if row and how and comparison is None:
        gaps.append(f"what measuring costs: {why_missing(found)}")
    doubts = _doubts(plan, measured)
    if comparison and not comparison.shown:
        doubts.append(f"what measuring costs: {comparison.verdict}")
    page = Report(
        title=plan.suite.title,
        subtitle=plan.suite.model.name,
        facts=(("measurements", f"{len(times)} of {len(plan.points)}" if gaps else str(len(times))),),
        summary=_summary(plan),
        warnings=(*gaps, *doubts),
        tables=tuple(tables),
        figures=tuple(figures),
        values=len(times) + (comparison is not None),
        provenance={
            "suite": plan.suite.name,
            "run": plan.run_id[:12],
            **last_invocation(folder),
            **_traces(folder / FOLDER),
        },
    )
    files = {"calls.csv": calls_csv(times, comparison)}
    notices = [Notice(OLDER_BUILD)] if plan.build != build_digest() else []
    return write_content(Content(plan.run_id, plan.run_name, page, gaps, notices, files), folder)


def _summary(plan: LatencyPlan) -> tuple[str, ...]:
    texts = [plan.suite.description] if plan.suite.description else []
    return (*texts, RANDOM_NOTE) if plan.suite.nova.random_weights else tuple(texts)


def _traces(out: Path) -> dict[str, str]:
    files = sorted((out / "traces").glob("*.json.gz"))
    return {"traces": f"{', '.join(f'traces/{file.name}' for file in files)} (open in {PERFETTO})"} if files else {}


def _doubts(plan: LatencyPlan, measured: dict[str, Measured]) -> list[str]:
    """Failed checks of the rows, one line each; for the points of curves only their number."""
    rows = {plan.row(row).digest: row.label for row in plan.suite.rows}
    doubtful = {digest: found.times.doubts for digest, found in measured.items() if found.ok and found.times.doubts}
    lines = [f"{label}: {doubt}" for digest, label in rows.items() for doubt in doubtful.get(digest, ())]
    others = len(doubtful.keys() - rows.keys())
    return (
        [*lines, f"{others} points of the curves: the parts or the cost of measuring are not within their limits"]
        if others
        else lines
    )


def _gaps(plan: LatencyPlan, measured: dict[str, Measured]) -> list[str]:
    missing = [point for point in plan.points if point.digest not in measured or not measured[point.digest].ok]
    return [f"{_name(plan, point)}: {why_missing(measured.get(point.digest))}" for point in missing]


def _name(plan: LatencyPlan, point: Point) -> str:
    """The row that shows a point, otherwise the curve."""
    for row in plan.suite.rows:
        if plan.row(row) == point:
            return row.label
    for curve in plan.suite.curves:
        for line in curve.lines:
            for value, found in zip(curve.values, plan.curve(curve, line), strict=True):
                if found == point:
                    return f"{curve.id}, {line.label}, {curve.vary} {value}"
    return point.digest[:12]
