"""Worker processes on this machine; one that dies, is stopped or hangs is replaced.

`concurrent.futures` ends all workers when one dies, and detects neither stopped nor hanging ones. This pool therefore
has a pipe and a thread for each worker, so that no worker can make the caller wait.
"""

from __future__ import annotations

import os
import pickle
import queue
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing import resource_tracker
from typing import Any

from nova_bench.core.errors import UserError
from nova_bench.core.interrupts import held_back
from nova_bench.execute.base import TIMES_SLOWEST, Executor, Item, LostWorker, Result, SentWork, Task
from nova_bench.execute.chunks import ChunkQueue
from nova_bench.execute.process import Told, WorkerProcess
from nova_bench.execute.worker import News

FAILED_STARTS = 3
"""No further worker is started after this many in a row ended before they could work."""
END_SECONDS = 3.0
"""How long workers may take to end by themselves when the work is done."""
_TICK = 0.5


class LocalExecutor(Executor):
    """A pool of newly started processes (spawn), in which CUDA and threads are safe.

    Each worker sees one of ``cards`` (see :func:`~nova_bench.execute.cards.visible_cards`), shared out evenly; without
    any, it sees what this process sees. ``workers`` None is one for each card, or one; ``threads`` None is each one's
    share of the cores.
    """

    def __init__(
        self, workers: int | None, chunk_size: int, cards: Sequence[str] = (), threads: int | None = None
    ) -> None:
        size = workers or len(cards) or 1
        self._pool = _Pool(size, threads or max(1, (os.cpu_count() or 1) // size), cards)
        self._chunk_size = chunk_size

    def _results(self, task: Task[Item, Result]) -> Iterator[Result]:
        """Results as chunks finish. Raises UserError if no worker can start, and whatever the work raises.

        If that happens, or the caller stops before the last result, the workers end and drop what they hold.
        """
        try:
            yield from _Call(self._pool, task, self._chunk_size).run()
        except BaseException:
            self._pool.kill()
            raise

    def dismiss(self) -> None:
        """Let the workers end by themselves; those that are slow to do so are killed."""
        self._pool.dismiss()


class _Pool:
    """The workers, as long as they live, and what they were sent."""

    def __init__(self, size: int, threads: int, cards: Sequence[str]):
        self.size, self._threads, self._cards = size, threads, cards
        self.share = min(1.0, len(cards) / size) if cards else 1.0
        """Of a card, that each worker has."""
        self.workers: list[WorkerProcess] = []
        self.news: queue.SimpleQueue[Told] = queue.SimpleQueue()
        self.sent: SentWork[bytes] = SentWork(pickle.dumps)

    def start(self) -> WorkerProcess:
        """A new worker, on the card that the fewest have."""
        # Starting it with the first worker would undo what delays Ctrl-C.
        resource_tracker.ensure_running()
        taken = [worker.card for worker in self.workers]
        with held_back():
            worker = WorkerProcess(self._threads, min(self._cards, key=taken.count, default=None), self.news)
            self.workers.append(worker)
        return worker

    def lose(self, worker: WorkerProcess) -> None:
        """End a worker that can't be used any more."""
        self.workers.remove(worker)
        worker.kill()

    def dismiss(self) -> None:
        """Wait for a moment for the workers to end, then kill them."""
        for worker in self.workers:
            worker.end()
        until = time.monotonic() + END_SECONDS
        for worker in self.workers:
            worker.process.join(max(0.0, until - time.monotonic()))
        self.kill()

    def kill(self) -> None:
        """End all workers now, and forget what they were sent."""
        for worker in self.workers:
            worker.kill()
        self.workers.clear()
        self.sent.clear()


class _Call:
    """One call of ``map``: what is left to do, and who does what."""

    def __init__(self, pool: _Pool, task: Task, chunk_size: int):
        self._pool, self._task, self._crew = pool, task, task.crew
        self._chunks = ChunkQueue(task.items, chunk_size, task.lost, task.crew.warn)
        self._failed_starts = 0
        self._slowest = 0.0
        for worker in pool.workers:
            worker.rest()

    def run(self) -> Iterator[Result]:
        """Process all chunks and yield their results."""
        workers = self._pool.workers
        watched = time.monotonic()
        while self._chunks or any(worker.chunk or worker.following for worker in workers):
            self._employ()
            for worker in workers:
                if worker.ready and worker.chunk is None and (worker.following or self._chunks):
                    chunk = worker.following or self._chunks.take()
                    worker.give(chunk, self._chunks.reserve(self._task.work, self._pool.size))
            with suppress(queue.Empty):
                yield from self._hear(*self._pool.news.get(timeout=_TICK))
            # Time in which this process was itself stopped, asleep or busy says nothing about the workers.
            now = time.monotonic()
            passed, watched = min(now - watched, 2 * _TICK), now
            allowed = max(self._task.patience, TIMES_SLOWEST * self._slowest)
            for worker in list(workers):
                if (problem := worker.overdue(passed, allowed)) is not None:
                    yield from self._lose(worker, problem)
        for worker in workers:
            self._crew.leave(worker.number)

    def _employ(self) -> None:
        """Send the work to as many workers as chunks need; start only a last one after too many that couldn't start."""
        workers = self._pool.workers
        wanted = min(self._pool.size, len(self._chunks) + sum(worker.chunk is not None for worker in workers))
        resting = [worker for worker in workers if worker.errand is None]
        for _ in range(wanted - (len(workers) - len(resting))):
            if resting:
                resting.pop(0).load(*self._pool.sent.of(self._task.work))
            elif self._failed_starts < FAILED_STARTS or not workers:
                self._pool.start().load(*self._pool.sent.of(self._task.work))

    def _hear(self, worker: WorkerProcess, news: News, content: Any) -> Iterator[Result]:
        if worker not in self._pool.workers:  # the last message of a killed worker
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
            errand, arrival = content
            worker.began, self._failed_starts = True, 0
            if errand == worker.errand:  # and not an earlier call's, which ended without this worker
                self._crew.arrive(worker.number, arrival, worker.since, self._pool.share)
                worker.ready = True
        elif news == News.STEP:
            worker.step = content
        elif news == News.DONE:
            self._crew.finish(worker.number, len(worker.chunk.items) if worker.chunk else 0)
            worker.chunk, worker.step = None, ""
            yield from content

    def _lose(self, worker: WorkerProcess, problem: LostWorker) -> Iterator[Result]:
        self._pool.lose(worker)
        self._crew.leave(worker.number)
        if not worker.began:
            self._failed_starts += 1
            if self._failed_starts >= FAILED_STARTS and not self._pool.workers:
                raise UserError(
                    f"worker processes can't start: {problem.message}", "use --executor inline, which needs none"
                ) from problem
        self._chunks.give_back(worker.following)
        yield from self._chunks.lose(worker.chunk, problem)
