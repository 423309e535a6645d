"""How commands end: with an exit code; a user's mistake shows one line and its remedy instead of a traceback."""

from __future__ import annotations

import functools
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import typer

from nova_bench.core.atomic_files import explain_os_error
from nova_bench.core.errors import ExitCode, UserError
from nova_bench.core.interrupts import end_requested, say_interrupted
from nova_bench.core.standard_streams import escaped_streams, print_line

DEBUG = "--debug"


def ends_with_code(command: Callable[..., ExitCode]) -> Callable[..., None]:
    """Wrap a command that returns an exit code; its signature is kept."""

    @functools.wraps(command)
    def wrapped(*arguments: object, **options: object) -> None:
        with escaped_streams():
            code = _run(lambda: command(*arguments, **options))
        raise typer.Exit(int(code))

    return wrapped


def _run(command: Callable[[], ExitCode]) -> ExitCode:
    try:
        return _interruptible(command)
    except UserError as error:
        if DEBUG in sys.argv:
            raise
        return tell(error)
    except KeyboardInterrupt:
        return say_interrupted()
    except OSError as error:
        if DEBUG in sys.argv:
            raise
        return tell(explain_os_error(error, Path(error.filename or ".")))
    except Exception:
        # Never Python's own 1 for an uncaught exception: it would mean "regression".
        traceback.print_exc()
        print("error: this is a bug in nova_bench; everything finished is kept", file=sys.stderr)
        return ExitCode.INTERNAL


def _interruptible(command: Callable[[], ExitCode]) -> ExitCode:
    """Run a command; an error after it was asked to end counts as the interrupt."""
    try:
        return command()
    except Exception as error:
        if end_requested():
            raise KeyboardInterrupt from error
        raise


def tell(error: UserError) -> ExitCode:
    """Print an error and its remedy; returns its exit code."""
    return tell_all([error])


def tell_all(errors: Sequence[UserError]) -> ExitCode:
    """Print errors, then each remedy once; returns the last one's exit code, PASS without any."""
    if any(error.exit_code == ExitCode.READER_GONE for error in errors):
        return ExitCode.READER_GONE  # the reader of a pipe (head, less) may close it at any time
    for error in errors:
        first, *more = error.lines
        for line in (f"error: {first}", *more):
            print_line(line, sys.stderr)
    for remedy in dict.fromkeys(error.remedy for error in errors if error.remedy):
        print_line(f"  try: {remedy}", sys.stderr)
    return errors[-1].exit_code if errors else ExitCode.PASS
