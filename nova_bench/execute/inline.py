"""The default executor: everything runs in this process."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

from nova_bench.execute.base import Item, Lost, Result, Work
from nova_bench.execute.slow_steps import warn_of_slow_steps


class InlineExecutor:
    """Runs everything in this process, lazily: one chunk of all items, results as ``work`` yields them.

    If ``stall_seconds`` is None, a step may take any time.
    """

    def __init__(self, stall_seconds: float | None = None):
        self._stall_seconds = stall_seconds

    def map(
        self, work: Work[Item, Result], items: Sequence[Item], lost: Lost[Item, Result], warn: Callable[[str], None]
    ) -> Generator[Result, None, None]:
        """Yield what ``work`` yields for all items. No worker can be lost, but ``warn`` is called for a slow step."""
        if not items:
            return
        with warn_of_slow_steps(self._stall_seconds, warn):
            yield from work(items)
