"""`nova_bench appendix`."""

from __future__ import annotations

from nova_bench.cli import options
from nova_bench.cli.run import ask_before_long, show_report
from nova_bench.core.errors import ExitCode
from nova_bench.core.progress import Progress
from nova_bench.experiments.base import Request
from nova_bench.experiments.registry import run_request

MINIATURE = "nova-tiny"


def appendix(
    model: options.Model = None,
    limit: options.Limit = None,
    set_: options.Assignments = None,
    device: options.Device = None,
    store: options.StoreFolder = options.DEFAULT_STORE,
    yes: options.Yes = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    open_: options.Open = False,
    suites: options.Suites = None,
) -> ExitCode:
    """Every table and figure of the paper's appendix, measured, beside the published numbers.

    Without `--model` in miniature, on nova-tiny (`suites/tiny.yaml`); with one at the paper's settings
    (`suites/appendix.yaml`).
    """
    suite = "tiny" if model in (None, MINIATURE) else "appendix"
    execution = {} if device is None else {"device": device}
    progress = Progress(quiet)
    request = Request(suite, store, model, set_ or (), execution, limit)
    if not yes:
        ask_before_long(request)
    return show_report(run_request(request, progress), progress, verbose, open_)
