"""How commands end: with an exit code, and a user's mistake with one line and its remedy instead of a traceback."""

from __future__ import annotations

import functools
import shlex
import sys
from collections.abc import Callable

import typer

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
        raise typer.Exit(int(code))

    return wrapped


def tell(error: UserError) -> ExitCode:
    """Print an error and its remedy; returns its exit code."""
    print(f"error: {error.message}", file=sys.stderr)
    if error.remedy:
        print(f"  try: {error.remedy}", file=sys.stderr)
    return error.exit_code
