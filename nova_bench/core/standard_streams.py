"""Standard output and error as they are found: not UTF-8, closed, full, a pipe that nobody reads, a terminal."""

from __future__ import annotations

import codecs
import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from nova_bench.core.errors import ExitCode, UserError
from nova_bench.core.visible_text import visible, visible_line

_PLAIN = {"–": "-", "—": "-", "─": "-", "−": "-", "…": "...", "↑": "^", "↓": "v", "×": "x", "±": "+-", "·": "-"}
"""What tables and help are drawn with, for terminals that have no more than ASCII."""


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """An error handler for encoders: the nearest ASCII, or a question mark."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_PLAIN.get(char, "?") for char in error.object[error.start : error.end]), error.end


codecs.register_error("nova_bench.plainly", _plainly)


class OutputError(UserError):
    """Standard output can't be written; ``exit_code`` tells a reader that went away from a full disk."""

    def __init__(self, reason: OSError):
        super().__init__(
            f"standard output can't be written: {reason.strerror or reason}", "everything finished is kept"
        )
        if isinstance(reason, BrokenPipeError):
            self.exit_code = ExitCode.READER_GONE


class _Around:
    """A text stream that is ``inner`` in everything but what a subclass changes."""

    def __init__(self, inner: TextIO | _Closed):
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def writelines(self, lines: Any) -> None:
        """Each through ``write``."""
        for line in lines:
            self.write(line)


class _Output(_Around):
    """Standard output: what can't be written is an OutputError."""

    def write(self, text: str) -> int:
        """As the stream's own."""
        try:
            return self.inner.write(text)
        except OSError as error:
            raise OutputError(error) from error

    def flush(self) -> None:
        """As the stream's own."""
        try:
            self.inner.flush()
        except OSError as error:
            raise OutputError(error) from error


class _Errors(_Around):
    """Standard error: what can't be written is lost, for there is nowhere to say so."""

    def write(self, text: str) -> int:
        """As the stream's own."""
        with suppress(OSError):
            self.inner.write(text)
        return len(text)

    def flush(self) -> None:
        """As the stream's own."""
        with suppress(OSError):
            self.inner.flush()


class _Escaping(_Around):
    """Control characters are written as escapes, see ``visible``."""

    def write(self, text: str) -> int:
        """As the stream's own; a carriage return that begins a text is a progress bar's."""
        start = text.startswith("\r")
        self.inner.write("\r" * start + visible(text[start:]))
        return len(text)


class _Closed:
    """Stands for a standard stream that was closed before the program began."""

    encoding, errors, closed = "utf-8", "replace", False

    def write(self, text: str) -> int:
        """Fails as writing to the closed file would."""
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    def flush(self) -> None:
        """Nothing is ever waiting."""

    def isatty(self) -> bool:
        """No."""
        return False

    def fileno(self) -> int:
        """There is none."""
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))


def prepare_streams() -> None:
    """Make standard output and error safe to write to, for the rest of this process.

    Characters that their encoding lacks are replaced. Where one of them is closed, its file number is taken, so that
    no file opened later gets what is meant for it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # writing to it fails
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="nova_bench.plainly")
    sys.stdout = _Output(sys.stdout or _Closed())
    sys.stderr = _Errors(sys.stderr or _Closed())


def finish_output() -> None:
    """Write what waits in standard output. OutputError where that fails; nothing is left for Python to write then."""
    try:
        sys.stdout.flush()
    except OutputError:
        discard_output()
        raise


def discard_output() -> None:
    """Let what still waits in standard output go nowhere, so that Python's own end says nothing of it."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


@contextmanager
def escaped_streams() -> Iterator[None]:
    """Inside, everything written to standard output and error has its control characters escaped."""
    output, errors = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _Escaping(output), _Escaping(errors)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = output, errors


def print_line(text: str, stream: TextIO | None = None) -> None:
    """Print one line to a stream (standard output): line ends inside ``text``, as names of files have, are escaped."""
    print(visible_line(text), file=stream or sys.stdout, flush=True)


def styled(stream: Any) -> Any:
    """The stream for what draws with control characters of its own (colours, bars) and escapes foreign text itself."""
    while isinstance(stream, _Escaping):
        stream = stream.inner
    return stream
