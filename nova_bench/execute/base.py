"""What an executor is."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Protocol, TypeVar

from nova_bench.core.errors import UserError
from nova_bench.execute.crew import Crew

Item = TypeVar("Item")
Result = TypeVar("Result")
Work = Callable[[Sequence[Item]], Iterable[Result]]
Lost = Callable[[Item, "LostWorker"], Result]
"""Makes the result of an item that can't be processed because every worker that had it was lost."""


class LostWorker(UserError):
    """A worker died, was stopped or hangs. The item that it held last may or may not be the reason."""


class Executor(Protocol):
    """The interface: apply ``work`` to chunks of items and yield results as they come, in any order."""

    def map(
        self, work: Work[Item, Result], items: Sequence[Item], lost: Lost[Item, Result], crew: Crew
    ) -> Generator[Result, None, None]:
        """Yield every result of ``work``, and of ``lost`` for items without one; ``crew`` is told of the workers."""
        ...


TIMES_SLOWEST = 10
"""A step hangs if it takes this many times as long as the slowest step before, and longer than the setting."""
