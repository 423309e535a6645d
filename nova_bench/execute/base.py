"""What an executor is, and what the work it does may tell it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Protocol, TypeVar

from nova_bench.core.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")
Work = Callable[[Sequence[Item]], Iterable[Result]]
Lost = Callable[[Item, "LostWorker"], Result]
"""Makes the result of an item that can't be worked: each worker that had it was lost."""


class LostWorker(UserError):
    """A worker died, was stopped or hangs. The item that it held last may be the reason, or only have been there."""


class Executor(Protocol):
    """The seam: apply ``work`` to chunks of items and yield results as they come, in any order."""

    def map(
        self, work: Work[Item, Result], items: Sequence[Item], lost: Lost[Item, Result], warn: Callable[[str], None]
    ) -> Generator[Result, None, None]:
        """Yield every result of ``work``, and of ``lost`` for items without one; tell ``warn`` of lost workers."""
        ...


TIMES_SLOWEST = 10
"""A step hangs when it takes so many times longer than the slowest before, and longer than the setting."""
_listener: Callable[[str], None] | None = None


def report_step(what: str) -> None:
    """Say what this process turns to next; called by ``work``.

    An executor that watches the process takes it as the end of the step before: as long as steps follow one another,
    the process doesn't hang.
    """
    if _listener is not None:
        _listener(what)


def listen_to_steps(listener: Callable[[str], None] | None) -> None:
    """Have ``listener`` called with each step of this process from now on; None: nobody."""
    global _listener
    _listener = listener
