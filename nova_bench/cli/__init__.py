"""The command line. Commands import what they need when they run, so that help and plans need no torch."""

from __future__ import annotations

import shlex
import signal
import sys

import click
import typer

from nova_bench import __version__
from nova_bench.cli import assets, doctor, listing, plan, report, run, store
from nova_bench.errors import ExitCode, UserError

DEBUG = "--debug"

app = typer.Typer(
    name="nova_bench",
    help="Benchmark and ablation harness for autoregressive video generation (NOVA, arXiv 2412.14169).",
    epilog=(
        "Exit codes: 0 pass, 1 regression, 2 usage or bad input, 3 incomplete or nothing measured, 4 inconclusive, "
        "130 interrupted."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.command("plan")(plan.plan)
app.command("report")(report.report)
app.command("list")(listing.list_things)
app.command("doctor")(doctor.doctor)
app.add_typer(assets.app, name="assets")
app.add_typer(store.app, name="store")


@app.callback()
def _common(
    version: bool = typer.Option(False, "--version", help="Print the version and exit.", is_eager=True),
    debug: bool = typer.Option(False, DEBUG, help="Show the traceback of an error (anywhere on the command line)."),
) -> None:
    if version:
        typer.echo(f"nova_bench {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line and exit with its code. A user's mistake is a line with its remedy, not a traceback."""
    arguments = [argument for argument in sys.argv[1:] if argument != DEBUG]
    debug = len(arguments) < len(sys.argv) - 1
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = app(arguments, standalone_mode=False)
    except UserError as error:
        if debug:
            raise
        code = _tell(error)
    except click.ClickException as error:
        error.show()
        code = ExitCode.USAGE
    except (KeyboardInterrupt, click.Abort):
        if debug:
            raise
        again = shlex.join(["python", "-m", "nova_bench", *sys.argv[1:]])
        print(f"\ninterrupted; everything finished is kept. To continue: {again}", file=sys.stderr)
        code = ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe (head, less) went away: that is its right.
        sys.stderr.close()
        code = ExitCode.PASS
    sys.exit(int(code or ExitCode.PASS))


def _tell(error: UserError) -> ExitCode:
    print(f"error: {error.message}", file=sys.stderr)
    if error.remedy:
        print(f"  try: {error.remedy}", file=sys.stderr)
    return error.exit_code


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt
