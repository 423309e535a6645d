"""Progress for people and for machines: bars on a terminal, one line a stage elsewhere; a log file beside the run."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LOGGER = logging.getLogger("nova_bench")
# Without a terminal, a long stage still says every so often that it lives.
QUIET_INTERVAL_SECONDS = 60.0


class Progress:
    """Tells how stages advance. Everything goes to standard error, so that standard output is the result alone."""

    def __init__(self, quiet: bool = False):
        self._quiet = quiet
        self._bars = not quiet and sys.stderr.isatty() and "CI" not in os.environ
        self.seconds: dict[str, float] = {}
        """Wall time of each stage so far."""

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """A stage of ``total`` items; call the yielded function with the number of items just done."""
        started = time.perf_counter()
        self.log(f"{name}: {total} to do")
        try:
            if total == 0:
                yield lambda count: None
            elif self._bars:
                with _bar(name, total) as advance:
                    yield advance
            else:
                yield self._lines(name, total)
        finally:
            seconds = time.perf_counter() - started
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds
            self.log(f"{name}: ended after {seconds:.2f} s")

    def _lines(self, name: str, total: int) -> Callable[[int], None]:
        """``stage=score done=40 total=40 seconds=12.3 rate=3.25``: at the end, and once a minute until then."""
        started = spoken = time.perf_counter()
        done = 0

        def advance(count: int) -> None:
            nonlocal done, spoken
            done += count
            now = time.perf_counter()
            if not self._quiet and (done >= total or now - spoken > QUIET_INTERVAL_SECONDS):
                spoken = now
                seconds = now - started
                rate = done / seconds if seconds else 0.0
                print(
                    f"stage={name} done={done} total={total} seconds={seconds:.1f} rate={rate:.3g}/s",
                    file=sys.stderr,
                    flush=True,
                )

        return advance

    def say(self, message: str) -> None:
        """Tell the user, unless told to be quiet; always log."""
        self.log(message)
        if not self._quiet:
            print(message, file=sys.stderr, flush=True)

    def warn(self, message: str) -> None:
        """Something the user should know; shown even when quiet."""
        LOGGER.warning(message)
        print(f"warning: {message}", file=sys.stderr, flush=True)

    def log(self, message: str) -> None:
        """To the log file only."""
        LOGGER.info(message)


@contextmanager
def _bar(name: str, total: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:<9}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(name, total=total, rate="")

        def advance(count: int) -> None:
            bars.advance(task, count)
            speed = bars.tasks[0].speed
            bars.update(task, rate=f"{speed:.2f}/s" if speed else "")

        yield advance


@contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Append everything that is logged to a file."""
    handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        handler.close()
