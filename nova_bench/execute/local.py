"""Worker processes on this machine; one that dies, is stopped or hangs is replaced.

`concurrent.futures` ends all workers when one dies, and detects neither stopped nor hanging ones. This pool therefore
has a pipe and a thread for each worker, so that no worker can make the caller wait.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import pickle
import queue
import signal
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from multiprocessing import resource_tracker
from typing import Any

from nova_bench.core.errors import UserError
from nova_bench.core.interrupts import held_back
from nova_bench.execute.base import TIMES_SLOWEST, Item, Lost, LostWorker, Result, Work
from nova_bench.execute.cards import started_with
from nova_bench.execute.chunks import Chunk, ChunkQueue
from nova_bench.execute.crew import Crew
from nova_bench.execute.worker import News, serve

STOPPED_SECONDS = 5.0
"""A worker that was stopped (SIGSTOP) for this long is replaced."""
START_SECONDS = 600.0
"""A worker must be ready for work within this time."""
FAILED_STARTS = 3
"""No further worker is started after this many in a row ended before they could work."""
END_SECONDS = 3.0
"""How long workers may take to end by themselves when the work is done."""
_TICK = 0.5
_NUMBERS = itertools.count()
MEMORY_REMEDY = "if memory ran out, use fewer --workers or a smaller --batch-size"


class LocalExecutor:
    """A pool of newly started processes (spawn), in which CUDA and threads are safe.

    Each worker sees one of ``cards`` (see :func:`~nova_bench.execute.cards.visible_cards`), shared out evenly; without
    any, it sees what this process sees. ``workers`` None is one for each card, or one; ``threads`` None is each one's
    share of the cores. If ``stall_seconds`` is None, a step may take any time.
    """

    def __init__(
        self,
        workers: int | None,
        chunk_size: int,
        stall_seconds: float | None,
        cards: Sequence[str] = (),
        threads: int | None = None,
    ):
        self._workers, self._chunk_size, self._stall_seconds = workers or len(cards) or 1, chunk_size, stall_seconds
        self._cards = cards
        self._threads = threads or max(1, (os.cpu_count() or 1) // self._workers)

    def map(
        self, work: Work[Item, Result], items: Sequence[Item], lost: Lost[Item, Result], crew: Crew
    ) -> Generator[Result, None, None]:
        """Yield results as chunks finish. Raises UserError if no worker can start, and whatever ``work`` raises.

        Workers end with the caller, however it ends; a chunk in progress is then dropped.
        """
        if not items:
            return
        chunks = ChunkQueue(items, self._chunk_size, lost, crew.warn)
        pool = _Pool(self._workers, self._threads, self._cards, pickle.dumps(work), chunks, crew)
        try:
            yield from pool.run(self._stall_seconds)
        finally:
            pool.kill()


class _Pool:
    """The workers of one call, and what each of them is doing."""

    def __init__(self, size: int, threads: int, cards: Sequence[str], work: bytes, chunks: ChunkQueue, crew: Crew):
        self._size, self._threads, self._cards, self._work = size, threads, cards, work
        self._chunks, self._crew = chunks, crew
        self._share = min(1.0, len(cards) / size) if cards else 1.0
        self._news: queue.SimpleQueue[tuple[_Worker, News, Any]] = queue.SimpleQueue()
        self._workers: list[_Worker] = []
        self._failed_starts = 0
        self._slowest = 0.0

    def run(self, stall_seconds: float | None) -> Iterator[Result]:
        """Process all chunks and yield their results; afterwards the workers end by themselves."""
        watched = time.monotonic()
        while self._chunks or any(worker.chunk for worker in self._workers):
            self._start_missing()
            for worker in self._workers:
                if self._chunks and worker.ready and worker.chunk is None:
                    worker.give(self._chunks.take())
            with suppress(queue.Empty):
                yield from self._hear(*self._news.get(timeout=_TICK))
            # Time in which this process was itself stopped, asleep or busy says nothing about the workers.
            now = time.monotonic()
            passed, watched = min(now - watched, 2 * _TICK), now
            for worker in list(self._workers):
                if (problem := worker.overdue(passed, self._allowed(stall_seconds))) is not None:
                    yield from self._lose(worker, problem)
        for worker in self._workers:
            worker.end()
        until = time.monotonic() + END_SECONDS
        for worker in self._workers:
            worker.process.join(max(0.0, until - time.monotonic()))
            self._crew.leave(worker.number)

    def kill(self) -> None:
        """End every remaining worker now."""
        for worker in self._workers:
            worker.kill()
        self._workers.clear()

    def _start_missing(self) -> None:
        """Start workers for waiting chunks, but only a last one after too many that couldn't start."""
        wanted = min(self._size, len(self._chunks) + sum(worker.chunk is not None for worker in self._workers))
        if self._failed_starts < FAILED_STARTS or not self._workers:
            # Starting it with the first worker would undo what delays Ctrl-C.
            resource_tracker.ensure_running()
            while len(self._workers) < wanted:
                with held_back():
                    self._workers.append(_Worker(self._work, self._threads, self._free_card(), self._news))

    def _free_card(self) -> str | None:
        """The card that the fewest workers have."""
        taken = [worker.card for worker in self._workers]
        return min(self._cards, key=taken.count, default=None)

    def _allowed(self, stall_seconds: float | None) -> float:
        """Seconds that a step may take."""
        return float("inf") if stall_seconds is None else max(stall_seconds, TIMES_SLOWEST * self._slowest)

    def _hear(self, worker: _Worker, news: News, content: Any) -> Iterator[Result]:
        if worker not in self._workers:  # the last message of a killed worker
            return
        if news == News.GONE:
            yield from self._lose(worker, worker.how_it_ended())
            return
        if news == News.ERROR:
            raise content
        if worker.ready:
            self._slowest = max(self._slowest, worker.quiet)
        worker.quiet = 0.0
        if news == News.READY:
            self._crew.arrive(worker.number, content, worker.started, self._share)
            worker.ready, self._failed_starts = True, 0
        elif news == News.STEP:
            worker.step = content
        elif news == News.DONE:
            self._crew.finish(worker.number, len(worker.chunk.items) if worker.chunk else 0)
            worker.chunk, worker.step = None, ""
            yield from content

    def _lose(self, worker: _Worker, problem: LostWorker) -> Iterator[Result]:
        self._workers.remove(worker)
        worker.kill()
        self._crew.leave(worker.number)
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= FAILED_STARTS and not self._workers:
                raise UserError(
                    f"worker processes can't start: {problem.message}", "use --executor inline, which needs none"
                ) from problem
        yield from self._chunks.lose(worker.chunk, problem)


class _Worker:
    """One worker process as seen by the caller. A thread of its own receives its messages and sends it work."""

    def __init__(self, work: bytes, threads: int, card: str | None, news: queue.SimpleQueue[tuple[_Worker, News, Any]]):
        self.card, self.number = card, next(_NUMBERS)
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        # Not a daemon in multiprocessing's sense: daemons may have no children, and decoding has some.
        self.process = context.Process(target=serve, args=(theirs, threads), name="nova_bench worker")
        self.started = time.monotonic()
        with started_with(card):
            self.process.start()
        assert self.process.pid is not None, "it was started"
        self._pid = self.process.pid
        theirs.close()
        self.chunk: Chunk | None = None
        self.step = ""
        """The step it last reported."""
        self.ready = False
        self.quiet = self._stopped = 0.0
        self._news = news
        self._orders: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._orders.put(work)
        threading.Thread(target=self._talk, name="worker pipe", daemon=True).start()

    def give(self, chunk: Chunk) -> None:
        """Send a chunk to a worker that is ready for it."""
        self.chunk, self.quiet = chunk, 0.0
        self._orders.put(pickle.dumps(chunk.items))

    def end(self) -> None:
        """Let the worker end by itself."""
        self._orders.put(b"")

    def kill(self) -> None:
        """End the worker now, even if it is stopped."""
        self.process.kill()
        self.process.join()
        self.process.close()

    def overdue(self, passed: float, allowed: float) -> LostWorker | None:
        """Why to give it up after ``passed`` more seconds, if a step may take ``allowed``; None to keep it."""
        self._stopped = self._stopped + passed if _is_stopped(self._pid) else 0.0
        if self._stopped >= STOPPED_SECONDS:
            return LostWorker(f"a worker process was stopped from outside (SIGSTOP){self._where}")
        self.quiet += passed
        if not self.ready and self.quiet >= START_SECONDS:
            return LostWorker(f"a worker process wasn't ready after {START_SECONDS:.0f} s")
        if self.chunk is not None and self.quiet >= allowed:
            return LostWorker(
                f"a worker process hung: it finished nothing for {self.quiet:.0f} s{self._where}",
                "if it was only slow: --set execution.stall_seconds=SECONDS",
            )
        return None

    def how_it_ended(self) -> LostWorker:
        """The loss of a worker that has ended."""
        self.process.join(END_SECONDS)
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

    def _talk(self) -> None:
        """Send the work it asks for and pass on its messages until its end of the pipe closes."""
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
