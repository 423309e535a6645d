"""Executors: where work runs. The default is this process; worker processes and Ray give the same rows.

A worker that is lost (it died, was stopped or hangs) costs nobody else anything: it is replaced, what it held is tried
once more, item by item, and an item that loses a second worker has the result that its caller makes of the loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from nova_bench.config.suite import ExecutionSpec
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

    def map(self, work: Work, items: Sequence[Item], lost: Lost, warn: Callable[[str], None]) -> Iterator[Result]:
        """Yield every result of ``work``, and of ``lost`` for items without one; tell ``warn`` of lost workers."""
        ...


def make_executor(spec: ExecutionSpec) -> Executor:
    """The executor a suite asks for. UserError where it needs a package that isn't installed."""
    if spec.executor == "processes":
        from nova_bench.execute.processes import ProcessExecutor

        return ProcessExecutor(spec.workers, spec.batch_size, spec.stall_seconds)
    if spec.executor == "ray":
        from nova_bench.execute.ray import RayExecutor

        return RayExecutor(spec.workers, spec.batch_size, spec.device, spec.stall_seconds)
    return InlineExecutor(spec.stall_seconds)


class InlineExecutor:
    """Everything in this process, lazily: one chunk of all items, results as ``work`` yields them.

    ``stall_seconds`` None: a step may take any time.
    """

    def __init__(self, stall_seconds: float | None = None):
        self._stall_seconds = stall_seconds

    def map(self, work: Work, items: Sequence[Item], lost: Lost, warn: Callable[[str], None]) -> Iterator[Result]:
        """Yield what ``work`` yields for all items; there is no worker to lose, but ``warn`` hears of a slow step."""
        if not items:
            return
        from nova_bench.execute.slow_steps import warn_of_slow_steps

        with warn_of_slow_steps(self._stall_seconds, warn):
            yield from work(items)


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
