"""What an executor is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, Protocol, Self, TypeVar, runtime_checkable

from nova_bench.core.errors import UserError
from nova_bench.execute.crew import Crew

Item = TypeVar("Item")
Result = TypeVar("Result")
Work = Callable[[Sequence[Item]], Iterable[Result]]
Lost = Callable[[Item, "LostWorker"], Result]
"""Makes the result of an item that can't be processed because every worker that had it was lost."""


class LostWorker(UserError):
    """A worker died, was stopped or hangs. The item that it held last may or may not be the reason."""


@runtime_checkable
class Preparing(Protocol):
    """Work that can begin something for the items that come next, beside what it does."""

    def prepare(self, items: Sequence[Any], /) -> None:
        """Called before each chunk with the items of the one that will probably follow; empty if none is known."""
        ...


def begin(items: Sequence[Any], work: object) -> None:
    """Let ``work`` prepare ``items``, if it can."""
    if isinstance(work, Preparing):
        work.prepare(items)


class Executor(ABC):
    """The interface: apply work to chunks of items and yield results as they come, in any order.

    Workers start when they are first needed. They keep what they were sent and what it has loaded until they are
    dismissed, so that the same ``work`` can go on with further items at once. As a context manager, an executor
    dismisses them at the end.
    """

    @abstractmethod
    def map(
        self,
        work: Work[Item, Result],
        items: Sequence[Item],
        lost: Lost[Item, Result],
        crew: Crew,
        stall_seconds: float | None = None,
    ) -> Generator[Result, None, None]:
        """Yield every result of ``work``, and of ``lost`` for items without one; ``crew`` is told of the workers.

        A worker that needs longer than ``stall_seconds`` for a step hangs; None: it may take any time. The generator
        must end or be closed before the next call.
        """
        ...

    @abstractmethod
    def dismiss(self) -> None:
        """End all workers, between two calls of ``map``."""
        ...

    def __enter__(self) -> Self:
        """This executor."""
        return self

    def __exit__(self, *raised: object) -> None:
        """Dismiss the workers."""
        self.dismiss()


TIMES_SLOWEST = 10
"""A step hangs if it takes this many times as long as the slowest step before, and longer than the setting."""
