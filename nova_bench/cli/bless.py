"""`nova_bench bless`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from nova_bench.cli import options
from nova_bench.cli.run import show_tables
from nova_bench.core.errors import ExitCode
from nova_bench.core.progress import Progress
from nova_bench.core.standard_streams import print_line
from nova_bench.experiments.base import Request
from nova_bench.gate.check import bless as bless_run
from nova_bench.gate.outputs.table import verdict_table

Baseline = Annotated[Path, typer.Option("--baseline", metavar="FILE", help="The baseline's file (JSON).")]


def bless(
    suite: options.SuiteName,
    baseline: Baseline,
    model: options.Model = None,
    update: Annotated[bool, typer.Option("--update", help="Replace a baseline; shows what changes.")] = False,
    allow_failed: Annotated[bool, typer.Option("--allow-failed", help="Bless a run with failed samples.")] = False,
    limit: options.Limit = None,
    dims: options.Dimensions = None,
    set_: options.Assignments = None,
    device: options.Device = None,
    store: options.StoreFolder = options.DEFAULT_STORE,
    quiet: options.Quiet = False,
    suites: options.Suites = None,
) -> ExitCode:
    """Run a suite and write what it measured as the baseline that `check` compares with."""
    execution = options.given(device=device or None)
    request = Request(suite, store, model, set_ or (), execution, limit, options.names(dims))
    blessed, changes = bless_run(request, baseline, update, allow_failed, Progress(quiet))
    if changes is not None:
        show_tables([verdict_table(changes)])
        print_line(f"against the former baseline: {changes.summary}")
    side = blessed.side
    if side.failed:
        print_line(f"note: {side.failed} of {side.requested} samples failed and are blessed as failed", sys.stderr)
    print_line(
        f"blessed: {baseline}: {side.label}, {len(side.prompts)} prompts, {len(side.metrics)} metrics, "
        f"digest {blessed.digest[:12]}"
    )
    return ExitCode.PASS
