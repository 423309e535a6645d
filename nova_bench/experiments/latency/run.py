"""A run of the kind ``latency``: plan, measure, trace, report. Each measurement is stored before the next begins."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nova_bench.config.paths import SHORT_PATHS
from nova_bench.core.batches import one_line
from nova_bench.core.device import resolve_device
from nova_bench.core.identity import digest
from nova_bench.core.progress import Progress, log_to
from nova_bench.experiments.base import Request
from nova_bench.experiments.latency.comparison import Comparison, comparison_point, heaviest_row
from nova_bench.experiments.latency.estimate import COMPILE_SECONDS, expected_seconds
from nova_bench.experiments.latency.load import load_latency
from nova_bench.experiments.latency.machine import describe_machine
from nova_bench.experiments.latency.plan import METHOD_VERSION, SCORER, LatencyPlan, Point, make_latency_plan
from nova_bench.experiments.latency.report import write_latency_report
from nova_bench.experiments.latency.spec import Setting
from nova_bench.experiments.latency.store import Measured, comparison_of, measured_points
from nova_bench.experiments.latency.subject import Subject
from nova_bench.experiments.latency.summary import Times
from nova_bench.models.checkpoints import locate_checkpoint
from nova_bench.pipeline.manifest import files_content, write_manifest
from nova_bench.pipeline.places import Places
from nova_bench.render.files import safe_name
from nova_bench.report.reported import Reported
from nova_bench.store import Row, Status, Store
from nova_bench.store.store import StoredRun, stored_run

if TYPE_CHECKING:
    pass


def run_latency(request: Request, progress: Progress) -> Reported:
    """Measure what the store lacks of a suite and write its report. MissingAsset if the checkpoint isn't here."""
    suite = load_latency(request)
    if not suite.nova.random_weights:
        locate_checkpoint(suite.nova)
    started, device = datetime.now(UTC), resolve_device(suite.execution.device)
    machine = describe_machine(device)
    with Store.writer(request.store) as store:
        plan = make_latency_plan(suite, store.file_digest, digest("machine", machine), request.limit)
        folder = store.run_folder(plan.run_name)
        with log_to(folder / "run.log", Places(store.root, ()).text):
            store.add_run(record_of(plan))
            subject = Subject(suite.nova, device, progress.warn)
            try:
                began = time.monotonic()
                _measure_missing(plan, subject, store, progress, began)
                _compare(plan, subject, store, progress, began)
                if suite.trace.enabled:
                    _trace_rows(plan, subject, folder, progress)
                store.back_up()
            finally:
                content = _content(plan, machine, measured_points(plan, store).values())
                write_manifest(folder, content, device, started, progress.seconds, progress.held)
        with progress.stage("report", 0):
            return write_latency_report(plan, store, folder)


def record_of(plan: LatencyPlan) -> StoredRun:
    """The store's record of a plan."""
    scorer = {"name": SCORER, "identity": plan.identity, "machine": plan.machine, "build": plan.build}
    points = [dict(vars(point)) for point in plan.points]
    return stored_run(plan.run_id, plan.run_name, plan.suite.model_dump(mode="json"), [scorer], points)


def _content(plan: LatencyPlan, machine: dict[str, str], measured: Iterable[Measured]) -> dict:
    return {
        "run": plan.run_id,
        "suite": plan.suite.model_dump(mode="json", context=SHORT_PATHS),
        "suite_files": files_content(plan.suite.files),
        "identity": plan.identity,
        "machine": machine,
        "measurements": [
            {"setting": m.details["setting"], "measured": m.details["measured"], "clocks": m.details["clocks"]}
            for m in measured
            if m.ok
        ],
    }


def _measure_missing(plan: LatencyPlan, subject: Subject, store: Store, progress: Progress, began: float) -> None:
    """Measure every point that has no row yet, or a failed one, in the suite's order."""
    from nova_bench.experiments.latency.measure import measure

    def work(setting: Setting) -> tuple[float, dict[str, Any]]:
        details = measure(subject, setting, plan.suite.measure)
        return Times(details).total, details

    there = measured_points(plan, store)
    missing = [point for point in plan.points if not (point.digest in there and there[point.digest].ok)]
    progress.say(f"run {plan.run_name}: {len(plan.points)} measurements, {len(missing)} to do, store {store.root.name}")
    with progress.stage("measure", len(missing)) as advance:
        for point in missing:
            left = _left(plan, began)
            if left is not None and (problem := _too_long(plan, point, subject, left, progress)):
                progress.warn(f"{_short(point, plan)}: not begun: {problem}")
                advance(1)
                continue
            row = _row(plan, point, work)
            _file(row, "measure", _short(point, plan), "{:.4g} s per video", store, progress)
            advance(1)


def _compare(plan: LatencyPlan, subject: Subject, store: Store, progress: Progress, began: float) -> None:
    """Compare calls with and without a stopwatch, if that is requested and not done yet."""
    from nova_bench.experiments.latency.overhead import compare

    how = plan.suite.measure.overhead
    row = heaviest_row(plan, measured_points(plan, store))
    if how is None or row is None:
        return
    point = comparison_point(plan, row, how)
    if (there := comparison_of(plan, point, store)) and there.ok:
        return
    left = _left(plan, began)
    if left is not None and left < how.seconds + _compiling(point):
        progress.warn(f"what measuring costs: not begun: {max(0.0, left):.3g} s left, {how.seconds:g} s needed")
        return

    def work(setting: Setting) -> tuple[float, dict[str, Any]]:
        comparison = Comparison(compare(subject, setting, how))
        return comparison.cost(comparison.clock), comparison.details

    with progress.stage("overhead", 1) as advance:
        _file(_row(plan, point, work), "overhead", "what measuring costs", "{:.3%}", store, progress)
        advance(1)


def _left(plan: LatencyPlan, began: float) -> float | None:
    """Seconds left of the suite's minutes; None if it has no limit."""
    minutes = plan.suite.execution.minutes
    return None if minutes is None else 60 * minutes - (time.monotonic() - began)


def _compiling(point: Point) -> float:
    """Seconds that a point needs before its first call."""
    return COMPILE_SECONDS if "compiled" in point.setting["mode"] else 0.0


def _file(row: Row, stage: str, title: str, shown: str, store: Store, progress: Progress) -> None:
    """Store and log a row; ``shown`` formats its value."""
    store.add_rows([row])
    progress.log(f"{stage}: {title}: {row.message or shown.format(row.value)}")
    if row.status == Status.FAILED:
        progress.warn(f"{title}: {row.message}")


def _too_long(plan: LatencyPlan, point: Point, subject: Subject, left: float, progress: Progress) -> str:
    """Why a measurement isn't begun with ``left`` seconds to go; empty if it fits, or if it will fail anyway."""
    if left <= _compiling(point):
        return f"{max(0.0, left):.3g} s are left"
    began = time.monotonic()
    try:
        expected = expected_seconds(subject, Setting.model_validate(point.setting), plan.suite.measure)
    except Exception:  # the measurement itself will raise it again and store it
        return ""
    left -= time.monotonic() - began
    progress.log(f"measure: {_short(point, plan)}: about {expected:.3g} s expected, {left:.3g} s left")
    return f"it would take about {expected:.3g} s, {max(0.0, left):.3g} s are left" if expected > left else ""


def _row(plan: LatencyPlan, point: Point, work: Callable[[Setting], tuple[float, dict[str, Any]]]) -> Row:
    """Row with the value and details that ``work`` returns for a point's setting, or with its error."""
    row = Row(point.digest, plan.identity, plan.machine, SCORER, METHOD_VERSION, Status.FAILED)
    try:
        value, details = work(Setting.model_validate(point.setting))
    except Exception as error:  # out of memory, no compiler, unsupported setting: the other points are still measured
        return replace(row, message=one_line(error), details={"traceback": traceback.format_exc()})
    return replace(row, status=Status.OK, value=value, details=details)


def _trace_rows(plan: LatencyPlan, subject: Subject, folder: Path, progress: Progress) -> None:
    from nova_bench.experiments.latency.measure import write_trace

    paths = {row.label: folder / "report" / "traces" / f"{safe_name(row.label)}.json.gz" for row in plan.suite.rows}
    missing = [row for row in plan.suite.rows if not paths[row.label].exists()]
    with progress.stage("trace", len(missing)) as advance:
        for row in missing:
            try:
                write_trace(subject, Setting.model_validate(plan.row(row).setting), plan.suite.trace, paths[row.label])
            except Exception as error:
                progress.warn(f"no trace of {row.label!r}: {one_line(error)}")
            advance(1)


def _short(point: Point, plan: LatencyPlan) -> str:
    """How a point differs from the common setting."""
    common = plan.suite.setting.model_dump(mode="json")
    different = [f"{key} {value}" for key, value in point.setting.items() if value != common[key]]
    return ", ".join(different) or "the common setting"
