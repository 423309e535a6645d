"""Progress for people and machines: bars on a terminal, one line per stage elsewhere, and a log file beside the run."""

from __future__ import annotations

import io
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from nova_bench.core.notices import Notice
from nova_bench.core.standard_streams import print_line, styled
from nova_bench.core.visible_text import visible

LOGGER = logging.getLogger("nova_bench")
# Without a handler, logging would print warnings a second time.
LOGGER.addHandler(logging.NullHandler())
LOGGER.propagate = False
# Without a terminal, a long stage reports at intervals that it is still running.
LINE_INTERVAL_SECONDS = 60.0


class Progress:
    """Reports how stages advance. Everything goes to standard error, so that standard output holds the result alone."""

    def __init__(self, quiet: bool = False):
        self._quiet = quiet
        self._bars = not quiet and sys.stderr.isatty() and "CI" not in os.environ
        self.seconds: dict[str, float] = {}
        """Wall time of each stage so far."""
        self.held: dict[str, dict[str, float]] = {}
        """Stage -> name of a device -> seconds for which this command's work held devices of that name."""
        self.notices: list[Notice] = []
        """The notices of the current run so far."""
        self._told: set[str] = set()

    @contextmanager
    def stage(
        self, name: str, total: int, unit: str = "", each: Callable[[], str] = lambda: ""
    ) -> Iterator[Callable[[int], None]]:
        """A stage of ``total`` items; call the yielded function with the number of items just done.

        ``unit`` is ``"bytes"`` for downloads, empty for items; ``each`` gives the rates of several workers, as a text.
        """
        started = time.perf_counter()
        if total:
            self.log(f"{name}: {total} to do")
        try:
            if total == 0:
                yield lambda count: None
            elif self._bars:
                with _bar(name, total, unit, each) as advance:
                    yield advance
            else:
                yield self._lines(name, total, unit, each)
        finally:
            seconds = time.perf_counter() - started
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds
            self.log(f"{name}: ended after {seconds:.2f} s")

    def _lines(self, name: str, total: int, unit: str, each: Callable[[], str]) -> Callable[[int], None]:
        """``stage=score done=40 total=40 seconds=12.3 rate=3.250``: at the end, and once a minute until then.

        ``rate`` is per second. ``unit=bytes`` is appended if the items are bytes, ``each=0.81,0.79`` if several workers
        do them.
        """
        started = spoken = time.perf_counter()
        done = 0

        def advance(count: int) -> None:
            nonlocal done, spoken
            done += count
            now = time.perf_counter()
            if not self._quiet and count and (done >= total or now - spoken > LINE_INTERVAL_SECONDS):
                spoken = now
                seconds = now - started
                rate = done / seconds if seconds else 0.0
                line = f"stage={name} done={done} total={total} seconds={seconds:.1f} rate={rate:.3f}"
                more = (f" unit={unit}" if unit else "") + (f" each={rates}" if (rates := each()) else "")
                print(line + more, file=sys.stderr, flush=True)

        return advance

    def hold(self, stage: str, seconds: Mapping[str, float]) -> None:
        """Account for the seconds for which devices were held, by name."""
        for device, more in seconds.items():
            held = self.held.setdefault(stage, {})
            held[device] = held.get(device, 0.0) + more

    def say(self, message: str) -> None:
        """Tell the user, unless quiet; always log."""
        self.log(message)
        if not self._quiet:
            print_line(message, sys.stderr)

    def warn(self, message: str) -> None:
        """Warn the user, even when quiet."""
        LOGGER.warning(message)
        print_line(f"warning: {message}", sys.stderr)

    def notice(self, text: str, names: Sequence[str] = (), asked: bool = False) -> None:
        """Warn once of something that also belongs in the report, and remember it for the current run.

        ``names`` are all the names concerned, for `notices.csv`; the text itself names the first few. If the user
        ``asked`` for it (`--limit`), it isn't shown as a warning.
        """
        notice = Notice(visible(text), tuple(map(visible, names)))
        if notice not in self.notices:
            self.notices.append(notice)
        if not self.told(notice.text):
            self._told.add(notice.text)
            (self.say if asked else self.warn)(text)

    def told(self, text: str) -> bool:
        """Whether a notice was shown already."""
        return text in self._told

    def log(self, message: str) -> None:
        """Write to the log file only."""
        LOGGER.info(message)


class Silence(Progress):
    """Says nothing, for work that is only looked ahead at."""

    def __init__(self) -> None:
        super().__init__(quiet=True)

    def warn(self, message: str) -> None:
        """Leave it to the work itself."""

    def log(self, message: str) -> None:
        """Leave it to the work itself."""


@contextmanager
def _bar(name: str, total: int, unit: str, each: Callable[[], str]) -> Iterator[Callable[[int], None]]:
    from rich import progress
    from rich.console import Console

    amounts: tuple[progress.ProgressColumn, ...] = (
        (progress.DownloadColumn(), progress.TransferSpeedColumn())
        if unit == "bytes"
        else (progress.MofNCompleteColumn(), progress.TextColumn("{task.fields[rate]}"))
    )
    columns = (
        progress.TextColumn("{task.description:<9}"),
        progress.BarColumn(),
        *amounts,
        progress.TimeElapsedColumn(),
        progress.TextColumn("left"),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(file=styled(sys.stderr))) as bars:
        task = bars.add_task(name, total=total, rate="")

        def advance(count: int) -> None:
            bars.advance(task, count)
            speed = bars.tasks[0].speed
            rates = f" (each {found})" if (found := each()) else ""
            bars.update(task, rate=f"{speed:.2f}/s{rates}" if speed else "")

        yield advance


class _VisibleLines(logging.Formatter):
    """One line per entry, with characters escaped that could control the terminal of whoever reads the log."""

    def __init__(self, shown: Callable[[str], str]):
        super().__init__("%(asctime)s %(levelname)s %(message)s")
        self._shown = shown

    def format(self, record: logging.LogRecord) -> str:
        return visible(self._shown(super().format(record))).replace("\n", "\n    ")


@contextmanager
def log_kept(shown: Callable[[str], str] = str) -> Iterator[Callable[[], str]]:
    """Keep everything that is logged in memory; the function that is yielded returns it so far. See :func:`log_to`."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_VisibleLines(shown))
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    try:
        yield stream.getvalue
    finally:
        LOGGER.removeHandler(handler)


@contextmanager
def log_to(path: Path, shown: Callable[[str], str] = str) -> Iterator[None]:
    """Append everything that is logged to a file; ``shown`` rewrites each entry before it is written."""
    handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    handler.setFormatter(_VisibleLines(shown))
    # A log that can't be written any more (full disk) must not hide the error that matters.
    logging.raiseExceptions = False
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        handler.close()
