"""The default executor: everything runs in this process."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from nova_bench.execute.base import Item, Lost, Result, Work
from nova_bench.execute.crew import Crew
from nova_bench.execute.slow_steps import warn_of_slow_steps


class InlineExecutor:
    """Runs everything in this process, lazily: one chunk of all items, results as ``work`` yields them.

    If ``stall_seconds`` is None, a step may take any time.
    """

    def __init__(self, stall_seconds: float | None = None):
        self._stall_seconds = stall_seconds

    def map(
        self, work: Work[Item, Result], items: Sequence[Item], lost: Lost[Item, Result], crew: Crew
    ) -> Generator[Result, None, None]:
        """Yield what ``work`` yields for all items. No worker can be lost, but the crew is warned of a slow step."""
        if not items:
            return
        with warn_of_slow_steps(self._stall_seconds, crew.warn):
            yield from work(items)
