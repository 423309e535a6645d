"""One run from suite to report."""

from __future__ import annotations

from pathlib import Path

from nova_bench.config.suite import Suite
from nova_bench.core.progress import Progress
from nova_bench.experiments.base import Request
from nova_bench.experiments.benchmark.load import load_benchmark
from nova_bench.experiments.benchmark.report import write_run_report
from nova_bench.pipeline.run import measure_suite
from nova_bench.report.reported import Reported
from nova_bench.store import Store


def run_benchmark(request: Request, progress: Progress) -> Reported:
    """Run a suite of the kind "benchmark"."""
    return run_suite(load_benchmark(request, progress.notice), request.store, request.limit, progress)


def run_suite(suite: Suite, root: Path, limit: int | None, progress: Progress) -> Reported:
    """Run a suite on the store at ``root`` and write its report; existing results are not computed again.

    Raises UserError (with a remedy) if the run is stopped; finished results stay in the store.
    """
    with Store.writer(root) as store:
        plan, folder = measure_suite(suite, store, limit, progress)
        with progress.stage("report", 0):
            return write_run_report(plan, store, folder, progress)
