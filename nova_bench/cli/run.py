"""`nova_bench run`."""

from __future__ import annotations

import sys
import webbrowser
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from nova_bench.cli import options
from nova_bench.core.errors import ExitCode, UserError
from nova_bench.core.progress import Progress, Silence
from nova_bench.core.remembered_digests import distrusting
from nova_bench.core.standard_streams import print_line, styled
from nova_bench.experiments.base import Request
from nova_bench.experiments.registry import preview_request, run_request
from nova_bench.pipeline.run_time import estimated_device
from nova_bench.render.terminal import TerminalTable, plain_text
from nova_bench.report.notices import terminal_lines

if TYPE_CHECKING:
    from nova_bench.render.table import Table
    from nova_bench.report.reported import Reported

ASKED_ABOVE = 3600.0
"""Seconds that a run may take without being asked about."""


def run(
    suite: options.SuiteName,
    model: options.Model = None,
    limit: options.Limit = None,
    dims: options.Dimensions = None,
    set_: options.Assignments = None,
    device: options.Device = None,
    batch_size: options.BatchSize = None,
    executor: options.Executor = None,
    workers: options.Workers = None,
    shard: options.Shard = None,
    max_failures: options.MaxFailures = None,
    retry_failed: options.RetryFailed = False,
    rehash: options.Rehash = False,
    store: options.StoreFolder = options.DEFAULT_STORE,
    allow_truncated: options.AllowTruncated = False,
    yes: options.Yes = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    open_: options.Open = False,
    suites: options.Suites = None,
) -> ExitCode:
    """Run a suite: generate, score, aggregate, report. Finished work is not repeated."""
    given = {
        "device": device,
        "batch_size": batch_size,
        "executor": executor,
        "workers": workers,
        "shard": shard,
        "max_failures": max_failures,
        "retry_failed": retry_failed or None,
    }
    execution = options.given(**given)
    request = Request(
        suite, store, model, set_ or (), execution, limit, options.names(dims), options.media(allow_truncated)
    )
    progress = Progress(quiet)
    with distrusting(rehash):
        if not yes:
            ask_before_long(request)
        return show_report(run_request(request, progress), progress, verbose, open_)


def ask_before_long(request: Request) -> None:
    """Ask before a run that may take more than an hour. UserError if the answer is no, or if nobody can answer."""
    device = estimated_device(str(request.execution.get("device", "auto")))
    try:
        seconds = preview_request(request, Silence()).seconds_left(device)
    except UserError:
        return  # the run says it
    if seconds < ASKED_ABOVE:
        return
    hours = seconds / 3600
    length = f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:.0f} days"
    estimate = f"{request.suite}: estimated at {length} or more on a {device.name}"
    if not sys.stdin.isatty():
        raise UserError(estimate, "--yes runs it; --limit N runs a part; `plan` shows what is left")
    if not typer.confirm(f"{estimate}; what finishes is kept if you interrupt it. Run?"):
        raise UserError("not run", "--limit N runs a part")


def show_report(reported: Reported, progress: Progress, verbose: bool = False, open_page: bool = False) -> ExitCode:
    """Print a run's tables, its report's path, notices and gaps; returns the exit code.

    Of a report with a main table, ``verbose`` prints the others, too; ``open_page`` opens the page in a browser.
    """
    shown = reported.tables if verbose or reported.headline is None else reported.headline
    show_tables(shown)
    for line in reported.reading:
        print_line(line)
    if left := len(reported.tables) - len(shown):
        print_line(f"{left} more table{'s are' if left > 1 else ' is'} on the page: --verbose prints all")
    print_line(f"report: {reported.page}")
    if open_page:
        webbrowser.open(reported.page.resolve().as_uri())
    for line in terminal_lines(reported.notices, progress.told):
        print_line(f"note: {line}", sys.stderr)
    for gap in reported.gaps:
        print_line(f"incomplete: {gap}", sys.stderr)
    return reported.exit_code


def show_tables(tables: Sequence[Table]) -> None:
    """Print tables to standard output: with the terminal's width and colour, or plain into a pipe."""
    from rich.console import Console

    for table in tables:
        if sys.stdout.isatty():
            Console(file=styled(sys.stdout)).print(TerminalTable(table))
        else:
            print(plain_text(table))
        print()
