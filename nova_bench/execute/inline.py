"""The default executor: everything runs in this process."""

from __future__ import annotations

from collections.abc import Iterator

from nova_bench.execute.base import Executor, Item, Result, Task
from nova_bench.execute.slow_steps import warn_of_slow_steps


class InlineExecutor(Executor):
    """Runs everything in this process, lazily: one chunk of all items, results as ``work`` yields them."""

    def _results(self, task: Task[Item, Result]) -> Iterator[Result]:
        """What the work yields for all items. No worker can be lost, but the crew is warned of a slow step."""
        with warn_of_slow_steps(task.stall_seconds, task.crew.warn):
            yield from task.work(task.items)

    def dismiss(self) -> None:
        """There are no workers."""
