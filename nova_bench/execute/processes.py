"""Worker processes on this machine."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from nova_bench.errors import UserError
from nova_bench.execute import Item, Result, Work, chunks

_work: Work | None = None


class ProcessExecutor:
    """A pool of processes, started afresh (spawn), so that CUDA and threads are safe in them."""

    def __init__(self, workers: int, chunk_size: int):
        self._workers, self._chunk_size = workers, chunk_size

    def map(self, work: Work, items: Sequence[Item]) -> Iterator[Result]:
        """Yield results as chunks finish. UserError where a worker dies (the system killed it, most often)."""
        if not items:
            return
        threads = max(1, (os.cpu_count() or 1) // self._workers)
        pool = ProcessPoolExecutor(
            self._workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start,
            initargs=(work, threads),
        )
        with pool:
            try:
                waiting = chunks(items, self._chunk_size)
                # Two chunks per worker keep everyone busy; more would only hold results in memory.
                running = {
                    pool.submit(_run, chunk) for _, chunk in zip(range(2 * self._workers), waiting, strict=False)
                }
                while running:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        if (chunk := next(waiting, None)) is not None:
                            running.add(pool.submit(_run, chunk))
                        yield from future.result()
            except BrokenProcessPool as error:
                raise UserError(
                    "a worker process died (most often: the system killed it for memory); finished rows are kept",
                    "run again with fewer --workers or a smaller --batch-size",
                ) from error
            finally:
                pool.shutdown(cancel_futures=True)


def _start(work: Work, threads: int) -> None:
    """Runs once in each worker: keep the work, and share the cores between the workers."""
    import signal

    # Ctrl-C goes to the whole process group; the parent decides, workers just end with their chunk.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    global _work
    _work = work
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)


def _run(chunk: Sequence[Item]) -> list[Result]:
    return list(_work(chunk))
