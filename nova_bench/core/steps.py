"""What this process does next, for whoever watches that it doesn't hang."""

from __future__ import annotations

from collections.abc import Callable

_listener: Callable[[str], None] | None = None


def report_step(what: str) -> None:
    """Report what this process does next; called by an executor's work.

    For an executor that watches the process, this ends the previous step: as long as steps follow one another, the
    process doesn't hang.
    """
    if _listener is not None:
        _listener(what)


def listen_to_steps(listener: Callable[[str], None] | None) -> None:
    """From now on, call ``listener`` with each step of this process; None removes the listener."""
    global _listener
    _listener = listener
