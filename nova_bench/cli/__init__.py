"""The command line. Commands import what they need when they run, so that help and plans need no torch."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from nova_bench import __version__
from nova_bench.cli import (
    appendix,
    assets,
    bless,
    check,
    compare,
    doctor,
    generate,
    listing,
    plan,
    report,
    run,
    score,
    shapes,
    store,
    train,
)
from nova_bench.cli.ending import DEBUG, ends_with_code, tell
from nova_bench.core.errors import ExitCode
from nova_bench.core.interrupts import end_interrupted, end_requested, watch_signals
from nova_bench.core.standard_streams import OutputError, finish_output, prepare_streams

app = typer.Typer(
    name="nova_bench",
    help="Benchmark and ablation harness for autoregressive video generation (NOVA, arXiv 2412.14169).",
    epilog=(
        "Exit codes: 0 pass, 1 regression, 2 usage or bad input, 3 incomplete or nothing measured, 4 inconclusive, "
        "70 a bug in nova_bench, 130 interrupted, 141 the reader of a pipe went away."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_COMMANDS: dict[str, Callable[..., ExitCode]] = {
    "score": score.score,
    "run": run.run,
    "appendix": appendix.appendix,
    "plan": plan.plan,
    "report": report.report,
    "compare": compare.compare,
    "bless": bless.bless,
    "check": check.check,
    "generate": generate.generate,
    "list": listing.list_things,
    "doctor": doctor.doctor,
    "train": train.train,
}
for name, function in _COMMANDS.items():
    app.command(name)(ends_with_code(function))
app.add_typer(assets.app, name="assets")
app.add_typer(store.app, name="store")
app.add_typer(shapes.app, name="shapes")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"nova_bench {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: bool = typer.Option(
        False, "--version", help="Print the version and exit.", is_eager=True, callback=_show_version
    ),
    debug: bool = typer.Option(False, DEBUG, help="Show the traceback of an error (anywhere on the command line)."),
) -> None:
    pass


def main() -> None:
    """Run the command line and exit with its code."""
    watch_signals()
    prepare_streams()
    try:
        try:
            app([argument for argument in sys.argv[1:] if argument != DEBUG])
        finally:
            finish_output()
    except OutputError as error:
        sys.exit(int(tell(error)))
    finally:
        if end_requested():
            end_interrupted()
