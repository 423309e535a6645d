"""A worker process as its parent sees it; what runs inside is :mod:`nova_bench.execute.worker`."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import pickle
import queue
import signal
import threading
import time
from contextlib import suppress
from typing import Any

from nova_bench.execute.base import LostWorker
from nova_bench.execute.cards import started_with
from nova_bench.execute.chunks import Chunk
from nova_bench.execute.worker import News, Order, serve

STOPPED_SECONDS = 5.0
"""A worker that was stopped (SIGSTOP) for this long is given up."""
START_SECONDS = 600.0
"""A worker must be ready for work within this time."""
MEMORY_REMEDY = "if memory ran out, use fewer --workers or a smaller --batch-size"
_END_SECONDS = 3.0
"""How long the exit code of a process may take whose pipe has closed."""
_NUMBERS = itertools.count()

Told = tuple["WorkerProcess", News, Any]
"""A message of a worker: who, what, content."""


class WorkerProcess:
    """One worker on a ``card``, or on what this process sees. A thread of its own exchanges messages with it."""

    def __init__(self, threads: int, card: str | None, news: queue.SimpleQueue[Told]):
        self.card, self.number = card, next(_NUMBERS)
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        # Not a daemon in multiprocessing's sense: daemons may have no children, and decoding has some.
        self.process = context.Process(target=serve, args=(theirs, threads), name="nova_bench worker")
        self.since = time.monotonic()
        """From when on it holds its device for the present work."""
        with started_with(card):
            self.process.start()
        assert self.process.pid is not None, "it was started"
        self._pid = self.process.pid
        theirs.close()
        self.errand: int | None = None
        """Number of the message that sent it its present work; None: it rests."""
        self.chunk: Chunk | None = None
        self.following: Chunk | None = None
        """The chunk that it will do next, if that is known."""
        self.step = ""
        """The step it last reported."""
        self.ready = False
        """Whether it has its work."""
        self.began = False
        """Whether it has ever been ready."""
        self.quiet = self._stopped = 0.0
        self._news = news
        self._orders: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self._talk, name="worker pipe", daemon=True).start()

    def rest(self) -> None:
        """It has no work until it is sent some."""
        self.errand, self.ready = None, False

    def load(self, number: int, work: bytes) -> None:
        """Send work, which it may have kept under this number from an earlier time."""
        self.errand, self.ready, self.quiet = next(_NUMBERS), False, 0.0
        if self.began:
            self.since = time.monotonic()
        self._order(Order.WORK, (self.errand, number, work))

    def give(self, chunk: Chunk, following: Chunk | None) -> None:
        """Send a chunk to a worker that is ready for it, and what it may prepare meanwhile."""
        self.chunk, self.following, self.quiet = chunk, following, 0.0
        self._order(Order.ITEMS, (chunk.items, following.items if following else ()))

    def end(self) -> None:
        """Let the worker end by itself."""
        self._order(Order.END, None)

    def kill(self) -> None:
        """End the worker now, even if it is stopped."""
        self.end()  # the thread may be waiting for an order
        self.process.kill()
        self.process.join()
        self.process.close()

    def overdue(self, passed: float, allowed: float) -> LostWorker | None:
        """Why to give it up after ``passed`` more seconds, if a step may take ``allowed``; None to keep it."""
        self._stopped = self._stopped + passed if _is_stopped(self._pid) else 0.0
        if self._stopped >= STOPPED_SECONDS:
            return LostWorker(f"a worker process was stopped from outside (SIGSTOP){self._where}")
        self.quiet += passed
        if self.errand is not None and not self.ready and self.quiet >= START_SECONDS:
            return LostWorker(f"a worker process wasn't ready after {START_SECONDS:.0f} s")
        if self.chunk is not None and self.quiet >= allowed:
            return LostWorker(
                f"a worker process hung: it finished nothing for {self.quiet:.0f} s{self._where}",
                "if it was only slow: --set execution.stall_seconds=SECONDS",
            )
        return None

    def how_it_ended(self) -> LostWorker:
        """The loss of a worker that has ended."""
        self.process.join(_END_SECONDS)
        code = self.process.exitcode or 0
        if code >= 0:
            return LostWorker(f"a worker process ended with exit code {code}{self._where}")
        with suppress(ValueError):
            return LostWorker(
                f"a worker process died ({signal.Signals(-code).name}){self._where}",
                MEMORY_REMEDY if -code == signal.SIGKILL else None,
            )
        return LostWorker(f"a worker process died (signal {-code}){self._where}")

    @property
    def _where(self) -> str:
        return f" at {self.step}" if self.step else ""

    def _order(self, order: Order, content: object) -> None:
        self._orders.put(pickle.dumps((order, content)))

    def _talk(self) -> None:
        """Send it orders, each after the answer to the one before, and pass on its messages until its pipe closes."""
        with self._pipe:
            try:
                self._pipe.send_bytes(self._orders.get())
                while True:
                    news, content = self._pipe.recv()
                    self._news.put((self, news, content))
                    if news in (News.READY, News.DONE):
                        self._pipe.send_bytes(self._orders.get())
            except (EOFError, OSError):
                self._news.put((self, News.GONE, None))
            except Exception as error:  # a message that can't be unpickled here
                self._news.put((self, News.ERROR, error))


def _is_stopped(pid: int) -> bool:
    """Whether a child is stopped, as by SIGSTOP. False on systems that can't tell."""
    if not hasattr(os, "waitid"):
        return False
    try:
        return os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return False
