"""Standard output and error, whatever they are: not UTF-8, closed, full, a pipe without a reader, a terminal."""

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
"""The characters that tables and help are drawn with, for terminals limited to ASCII."""


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """Handle an encoding error: the nearest ASCII character, or a question mark."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_PLAIN.get(char, "?") for char in error.object[error.start : error.end]), error.end


codecs.register_error("nova_bench.plainly", _plainly)


class OutputError(UserError):
    """Standard output can't be written; ``exit_code`` distinguishes a closed pipe from a full disk."""

    def __init__(self, reason: OSError):
        super().__init__(
            f"standard output can't be written: {reason.strerror or reason}", "everything finished so far is kept"
        )
        if isinstance(reason, BrokenPipeError):
            self.exit_code = ExitCode.READER_GONE


class _Around:
    """A text stream that behaves like ``inner`` except for what a subclass changes."""

    def __init__(self, inner: TextIO | _Closed):
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def writelines(self, lines: Any) -> None:
        """Pass each line to ``write``."""
        for line in lines:
            self.write(line)


class _Output(_Around):
    """Standard output; a failed write raises OutputError."""

    def write(self, text: str) -> int:
        """Write like the stream itself."""
        try:
            return self.inner.write(text)
        except OSError as error:
            raise OutputError(error) from error

    def flush(self) -> None:
        """Flush like the stream itself."""
        try:
            self.inner.flush()
        except OSError as error:
            raise OutputError(error) from error


class _Errors(_Around):
    """Standard error; a failed write is ignored, since there is nowhere to report it."""

    def write(self, text: str) -> int:
        """Write like the stream itself."""
        with suppress(OSError):
            self.inner.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush like the stream itself."""
        with suppress(OSError):
            self.inner.flush()


class _Escaping(_Around):
    """A stream that writes control characters as escapes, see ``visible``."""

    def write(self, text: str) -> int:
        """Write like the stream itself; a carriage return at the start of a text belongs to a progress bar."""
        start = text.startswith("\r")
        self.inner.write("\r" * start + visible(text[start:]))
        return len(text)


class _Closed:
    """Stands for a standard stream that was closed before the program began."""

    encoding, errors, closed = "utf-8", "replace", False

    def write(self, text: str) -> int:
        """Fail like a write to the closed file."""
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    def flush(self) -> None:
        """Do nothing: nothing is ever buffered."""

    def isatty(self) -> bool:
        """No."""
        return False

    def fileno(self) -> int:
        """Fail: there is no file number."""
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))


def prepare_streams() -> None:
    """Make standard output and error safe to write to, for the rest of this process.

    Characters that their encoding lacks are replaced. If one of them is closed, its file number is occupied, so that
    no file opened later receives its output.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # opened for reading, so that writing to it fails
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="nova_bench.plainly")
    sys.stdout = _Output(sys.stdout or _Closed())
    sys.stderr = _Errors(sys.stderr or _Closed())


def finish_output() -> None:
    """Write what is buffered for standard output. If that raises OutputError, Python has nothing left to write."""
    try:
        sys.stdout.flush()
    except OutputError:
        discard_output()
        raise


def discard_output() -> None:
    """Discard what is still buffered for standard output, so that Python's shutdown doesn't report it."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


@contextmanager
def escaped_streams() -> Iterator[None]:
    """Inside, control characters written to standard output and error are escaped."""
    output, errors = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _Escaping(output), _Escaping(errors)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = output, errors


def print_line(text: str, stream: TextIO | None = None) -> None:
    """Print one line to a stream (default: standard output), escaping line ends inside ``text``, as in file names."""
    print(visible_line(text), file=stream or sys.stdout, flush=True)


def styled(stream: Any) -> Any:
    """The stream for code that draws with control characters (colours, bars) and escapes foreign text itself."""
    while isinstance(stream, _Escaping):
        stream = stream.inner
    return stream
