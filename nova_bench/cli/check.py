"""`nova_bench check`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from nova_bench.cli import options
from nova_bench.cli import verdict as shown
from nova_bench.cli.bless import Baseline
from nova_bench.core.errors import ExitCode, UserError
from nova_bench.core.progress import Progress
from nova_bench.experiments.base import Request
from nova_bench.gate.check import CheckRequest
from nova_bench.gate.check import check as check_run
from nova_bench.gate.media import Samples, media_of
from nova_bench.store import Store

NO_BASELINE_STORE = "the baseline's videos are not here: --baseline-store DIR shows them"
_UNITS = {"s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600}


def check(
    suite: options.SuiteName,
    baseline: Baseline,
    model: options.Model = None,
    accept: shown.Accept = None,
    missing: shown.Missing = None,
    strict: shown.Strict = False,
    early: Annotated[
        bool, typer.Option("--early/--no-early", help="End at a preplanned look if the verdict is clear.")
    ] = True,
    budget: Annotated[
        str | None, typer.Option("--budget", metavar="TIME", help="Only as many prompts as fit: 90s, 10min, 2h.")
    ] = None,
    noise: shown.Seeds = 0,
    json: shown.Json = None,
    junit: shown.JUnit = None,
    html: shown.Html = None,
    markdown: shown.Markdown = None,
    baseline_store: Annotated[
        Path | None,
        typer.Option("--baseline-store", metavar="DIR", help="Store of the blessed run: the page shows its videos."),
    ] = None,
    dims: options.Dimensions = None,
    set_: options.Assignments = None,
    device: options.Device = None,
    batch_size: options.BatchSize = None,
    executor: options.Executor = None,
    workers: options.Workers = None,
    retry_failed: options.RetryFailed = False,
    store: options.StoreFolder = options.DEFAULT_STORE,
    quiet: options.Quiet = False,
    suites: options.Suites = None,
) -> ExitCode:
    """Compare a model with a baseline: did it get worse? Runs the suite on the baseline's prompts."""
    given = {"device": device, "batch_size": batch_size, "executor": executor, "workers": workers}
    execution = options.given(**given, retry_failed=retry_failed or None)
    request = Request(suite, store, model, set_ or (), execution, None, options.names(dims))
    call = CheckRequest(
        request,
        baseline,
        shown.accepted(accept),
        strict,
        shown.missing_rule(missing),
        early,
        seconds_of(budget) if budget is not None else None,
        noise,
    )
    if baseline_store is not None and not Store.exists(baseline_store):
        raise UserError(f"--baseline-store {baseline_store}: no store here", "name the store that `bless` used")
    checked = check_run(call, Progress(quiet))
    old = Samples(missing=NO_BASELINE_STORE)
    if baseline_store is not None:
        with Store.reader(baseline_store) as blessed:
            here = any(checked.blessed_run == name for name, *_ in blessed.run_names())
        why = "" if here else f"{baseline_store} lacks the blessed run"
        old = Samples(baseline_store if here else None, checked.blessed_run, why)
    files = shown.Files(json, junit, html, markdown)
    return shown.show_verdict(checked.file, files, media_of(Samples(store, checked.run), old))


def seconds_of(text: str) -> float:
    """``90s``, ``10min`` or ``2h`` in seconds. UserError for anything else."""
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)\s*", text)
    if match is None or (match[2] or "s") not in _UNITS or float(match[1]) <= 0:
        raise UserError(f"--budget {text}: not a time", "for example 90s, 10min or 2h")
    return float(match[1]) * _UNITS[match[2] or "s"]
