"""From a suite, or a stored run, to the kind of experiment that runs, previews or reports it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from nova_bench.config.catalog import EXPERIMENTS
from nova_bench.config.loading import inherit
from nova_bench.config.suite_files import find_suite, replaced_suite
from nova_bench.core.device import resolve_device
from nova_bench.core.errors import SuiteError, UserError
from nova_bench.core.progress import Progress, log_kept
from nova_bench.core.registry import nearest
from nova_bench.experiments.base import Experiment, Preview, Request
from nova_bench.pipeline.manifest import files_content, write_manifest
from nova_bench.pipeline.places import Places
from nova_bench.report.run_list import write_index
from nova_bench.store import Store

if TYPE_CHECKING:
    import pandas

    from nova_bench.report.reported import Reported
    from nova_bench.store.store import StoredRun

JOINED = ("study", "collection")
"""Kinds of suites whose runs consist of others."""
LOG = "run.log"
BENCHMARK = "benchmark"
"""The default kind of a suite."""


def kind_of(suite: str) -> str:
    """The kind of the suite called ``suite``. SuiteError for one that doesn't exist."""
    source = inherit(find_suite(suite), ())
    kind = str(source.data.get("kind", BENCHMARK))
    kinds = EXPERIMENTS.names()
    if kind not in kinds:
        raise SuiteError(
            f"{source.origin(('kind',)).where}: unknown kind {kind!r}{nearest(kind, kinds)}",
            f"one of: {', '.join(kinds)}",
        )
    return kind


def run_request(request: Request, progress: Progress) -> Reported:
    """Run a suite of any kind, and list it on the page of the store's runs."""
    path = find_suite(request.suite)
    if bundled := replaced_suite(path):
        progress.say(f"suite: {path}, in place of nova_bench's own {bundled.name}")
    started = datetime.now(UTC)
    with log_kept(Places(request.store, ()).text) as log:
        reported = resolve_name(EXPERIMENTS.get(kind_of(request.suite)).run)(request, progress)
        folder = reported.page.parents[1]
        with Store.reader(request.store) as store:
            if store.run(folder.name).suite.get("kind") in JOINED:
                _complete(folder, store, request, started, progress, log())
            write_index(store)
    return reported


def _complete(folder: Path, store: Store, request: Request, started: datetime, progress: Progress, log: str) -> None:
    """Give the folder of a run that joins others a manifest and a log, as those have."""
    run = store.run(folder.name)
    parts = [part for part in (*run.suite.get("arms", ()), *run.suite.get("parts", ())) if part["run"]]
    content = {
        "run": run.run,
        "suite": run.suite,
        "suite_files": files_content([find_suite(request.suite)]),
        "parts": {part.get("label") or part["title"]: store.run(part["run"]).name for part in parts},
    }
    device = resolve_device(str(request.execution.get("device", "auto")))
    write_manifest(folder, content, device, started, progress.seconds, progress.held)
    with (folder / LOG).open("a", encoding="utf-8") as stream:
        stream.write(log)


def preview_request(request: Request, progress: Progress) -> Preview:
    """Say what a run of a suite of any kind would do; ``progress`` hears what its plan leaves out."""
    return resolve_name(EXPERIMENTS.get(kind_of(request.suite)).preview)(request, progress)


def report_run(run: StoredRun, store: Store, folder: Path, progress: Progress) -> Reported:
    """Rebuild the report of a stored run of any kind under ``folder``."""
    return resolve_name(_experiment_of(run).report)(run, store, folder, progress)


def frame_run(run: StoredRun, store: Store) -> pandas.DataFrame:
    """The measurements of a stored run of any kind, one per row."""
    return resolve_name(_experiment_of(run).frame)(run, store)


def _experiment_of(run: StoredRun) -> Experiment:
    kind = run.suite.get("kind", BENCHMARK)
    if kind not in EXPERIMENTS.names():
        raise UserError(f"run {run.name}: unknown kind {kind!r}", "use the nova_bench version that made it")
    return EXPERIMENTS.get(kind)
