"""What an executor is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar, runtime_checkable

from nova_bench.core.errors import UserError
from nova_bench.execute.crew import Crew

Item = TypeVar("Item")
Result = TypeVar("Result")
Form = TypeVar("Form")
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


@dataclass(frozen=True)
class Task(Generic[Item, Result]):
    """What :meth:`Executor.map` is called with; there is at least one item."""

    work: Work[Item, Result]
    items: Sequence[Item]
    lost: Lost[Item, Result]
    crew: Crew
    stall_seconds: float | None

    @property
    def patience(self) -> float:
        """Seconds that a step may take in any case."""
        return float("inf") if self.stall_seconds is None else self.stall_seconds


class SentWork(Generic[Form]):
    """What was sent to workers, each in one form, and the number under which they keep it."""

    def __init__(self, form: Callable[[Work], Form]):
        self._form = form
        self._sent: list[tuple[Work, Form]] = []

    def of(self, work: Work) -> tuple[int, Form]:
        """The number of ``work``, and its form, made when it is first asked for."""
        for number, (known, form) in enumerate(self._sent):
            if known is work:
                return number, form
        self._sent.append((work, self._form(work)))
        return len(self._sent) - 1, self._sent[-1][1]

    def clear(self) -> None:
        """The workers are gone."""
        self._sent.clear()


class Executor(ABC):
    """The interface: apply work to chunks of items and yield results as they come, in any order.

    Workers start when they are first needed. They keep what they were sent and what it has loaded until they are
    dismissed, so that the same ``work`` can go on with further items at once. As a context manager, an executor
    dismisses them at the end.
    """

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
        if items:
            yield from self._results(Task(work, items, lost, crew, stall_seconds))

    @abstractmethod
    def _results(self, task: Task[Item, Result]) -> Iterator[Result]:
        """What :meth:`map` yields."""
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
