"""The default executor: everything runs in this process."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from nova_bench.execute.base import Executor, Item, Lost, Result, Work
from nova_bench.execute.crew import Crew
from nova_bench.execute.slow_steps import warn_of_slow_steps


class InlineExecutor(Executor):
    """Runs everything in this process, lazily: one chunk of all items, results as ``work`` yields them."""

    def map(
        self,
        work: Work[Item, Result],
        items: Sequence[Item],
        lost: Lost[Item, Result],
        crew: Crew,
        stall_seconds: float | None = None,
    ) -> Generator[Result, None, None]:
        """Yield what ``work`` yields for all items. No worker can be lost, but the crew is warned of a slow step."""
        if not items:
            return
        with warn_of_slow_steps(stall_seconds, crew.warn):
            yield from work(items)

    def dismiss(self) -> None:
        """There are no workers."""
