"""How commands end: with an exit code, and a user's mistake with one line and its remedy instead of a traceback."""

from __future__ import annotations

import functools
import shlex
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import typer

from nova_bench.atomic import explain_os_error
from nova_bench.errors import ExitCode, UserError

DEBUG = "--debug"


def ends_with_code(command: Callable[..., ExitCode]) -> Callable[..., None]:
    """Wrap a command that returns an exit code; its signature stays what it was."""

    @functools.wraps(command)
    def wrapped(*arguments: object, **options: object) -> None:
        try:
            code = command(*arguments, **options)
        except UserError as error:
            if DEBUG in sys.argv:
                raise
            code = tell(error)
        except KeyboardInterrupt:
            again = shlex.join(["python", "-m", "nova_bench", *sys.argv[1:]])
            print(f"\ninterrupted; everything finished is kept. To continue: {again}", file=sys.stderr)
            code = ExitCode.INTERRUPTED
        except BrokenPipeError:
            # The reader of a pipe (head, less) went away: that is its right.
            sys.stderr.close()
            code = ExitCode.PASS
        except OSError as error:
            if DEBUG in sys.argv:
                raise
            code = tell(explain_os_error(error, Path(error.filename or ".")))
        except Exception:
            # Never Python's own 1 for an uncaught exception: that says "regression" to whoever reads exit codes.
            traceback.print_exc()
            print("error: this is a bug in nova_bench; everything finished is kept", file=sys.stderr)
            code = ExitCode.INTERNAL
        raise typer.Exit(int(code))

    return wrapped


def tell(error: UserError) -> ExitCode:
    """Print an error and its remedy; returns its exit code."""
    print(f"error: {error.message}", file=sys.stderr)
    if error.remedy:
        print(f"  try: {error.remedy}", file=sys.stderr)
    return error.exit_code
