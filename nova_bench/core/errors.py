"""Errors a user can mend: one line that says what is wrong and one that says what to do."""

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
    """A mistake or a missing thing that the user can mend.

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
        """The message, or each of several that are told together."""
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
    """A video or image that can't be decoded, encoded or compared: truncated, empty, unlike its reference in size.

    It is about one sample; other UserErrors end the run.
    """


class NothingMade(UserError):
    """What a model made of one sample can't be used, though the sample was asked for rightly."""

    exit_code = ExitCode.INCOMPLETE


class FileChanged(MediaError):
    """A file isn't what it was when it was recorded; put right, it can be read like any other."""


class StoreError(UserError):
    """The store can't be opened, read or written: locked, read-only, full, damaged."""


class MissingAsset(UserError):
    """A weight, prompt list or question file that isn't here; the remedy says how to get it."""

    exit_code = ExitCode.INCOMPLETE
