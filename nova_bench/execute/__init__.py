"""Executors: where work runs. The default is this process; worker processes and Ray give the same rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from nova_bench.spec import ExecutionSpec

Item = TypeVar("Item")
Result = TypeVar("Result")
Work = Callable[[Sequence[Item]], Iterable[Result]]


class Executor(Protocol):
    """The seam: apply ``work`` to chunks of items and yield results as they come, in any order."""

    def map(self, work: Work, items: Sequence[Item]) -> Iterator[Result]: ...


def make_executor(spec: ExecutionSpec) -> Executor:
    """The executor a suite asks for. UserError where it needs a package that isn't installed."""
    if spec.executor == "processes":
        from nova_bench.execute.processes import ProcessExecutor

        return ProcessExecutor(spec.workers, spec.batch_size)
    if spec.executor == "ray":
        from nova_bench.execute.ray import RayExecutor

        return RayExecutor(spec.workers, spec.batch_size, spec.device)
    return InlineExecutor()


class InlineExecutor:
    """Everything in this process, lazily: one chunk of all items, results as ``work`` yields them."""

    def map(self, work: Work, items: Sequence[Item]) -> Iterator[Result]:
        """Yield what ``work`` yields for all items."""
        if items:
            yield from work(items)


def chunks(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """Consecutive parts of at most ``size`` items."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
