"""Errors that a user can fix: one line says what is wrong, another what to do."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every command."""

    PASS = 0
    REGRESSION = 1
    USAGE = 2
    INCOMPLETE = 3
    INCONCLUSIVE = 4
    INTERNAL = 70
    INTERRUPTED = 130
    READER_GONE = 141


class UserError(Exception):
    """A mistake or a missing thing that the user can fix.

    The command line prints ``message`` and ``remedy`` without a traceback (``--debug`` shows it) and exits with
    ``exit_code``.
    """

    exit_code: ExitCode = ExitCode.USAGE

    def __init__(self, message: str, remedy: str | None = None):
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    @property
    def lines(self) -> tuple[str, ...]:
        """The message, or all messages if several are reported together."""
        return (self.message,)

    def __str__(self) -> str:
        return f"{self.message} ({self.remedy})" if self.remedy else self.message


class SuiteError(UserError):
    """A suite file that can't be read: wrong key, type or name. Each message begins with ``file:line``."""

    def __init__(self, message: str, remedy: str | None = None, *more: str):
        super().__init__("\n".join((message, *more)), remedy)
        self._lines = (message, *more)

    @property
    def lines(self) -> tuple[str, ...]:
        """See UserError."""
        return self._lines


class MediaError(UserError):
    """A video or image that can't be decoded, encoded or compared: truncated, empty, or not its reference's size.

    It concerns one sample; other UserErrors end the run.
    """


class NothingMade(UserError):
    """A model's output for one sample can't be used, although the request was valid."""

    exit_code = ExitCode.INCOMPLETE


class FileChanged(MediaError):
    """A file differs from what was recorded; once restored, it can be read like any other."""


class StoreError(UserError):
    """The store can't be opened, read or written: locked, read-only, full or damaged."""


class MissingAsset(UserError):
    """Weights, a prompt list or a question file that isn't here; the remedy says how to get it."""

    exit_code = ExitCode.INCOMPLETE
