"""Warns of a step in this process that takes too long; it can't be ended here, but the user should know."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nova_bench.core.steps import listen_to_steps
from nova_bench.execute.base import TIMES_SLOWEST

TICK = 0.5


@contextmanager
def warn_of_slow_steps(stall_seconds: float | None, warn: Callable[[str], None]) -> Iterator[None]:
    """Inside, call ``warn`` once for each step that takes as long as a worker process would be allowed.

    ``warn`` is called from another thread. If ``stall_seconds`` is None, a step may take any time.
    """
    if stall_seconds is None:
        yield
        return
    watch = _Watch(stall_seconds, warn)
    listen_to_steps(watch.step)
    threading.Thread(target=watch.run, name="slow steps", daemon=True).start()
    try:
        yield
    finally:
        listen_to_steps(None)
        watch.ended.set()


class _Watch:
    """Counts the seconds of the current step."""

    def __init__(self, stall_seconds: float, warn: Callable[[str], None]):
        self._stall_seconds, self._warn = stall_seconds, warn
        self._what, self._seconds, self._slowest, self._warned = "", 0.0, 0.0, False
        self.ended = threading.Event()

    def step(self, what: str) -> None:
        """End the previous step and begin the next one."""
        self._slowest = max(self._slowest, self._seconds)
        self._what, self._seconds, self._warned = what, 0.0, False

    def run(self) -> None:
        """Watch until the work has ended."""
        before = time.monotonic()
        while not self.ended.wait(TICK):
            # Time in which this process was stopped or asleep doesn't count.
            now = time.monotonic()
            self._seconds += min(now - before, 2 * TICK)
            before = now
            if not self._warned and self._seconds > max(self._stall_seconds, TIMES_SLOWEST * self._slowest):
                self._warned = True
                self._warn(
                    f"{self._what}: nothing finished for {self._seconds:.0f} s; if it hangs, press Ctrl-C and continue "
                    "with --executor local, which replaces a worker that hangs and names its sample"
                )
