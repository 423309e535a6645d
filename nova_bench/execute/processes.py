"""Worker processes on this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import Connection

from nova_bench.errors import UserError
from nova_bench.execute import Item, Result, Work, chunks

_work: Work | None = None


class ProcessExecutor:
    """A pool of processes, started afresh (spawn), so that CUDA and threads are safe in them."""

    def __init__(self, workers: int, chunk_size: int):
        self._workers, self._chunk_size = workers, chunk_size

    def map(self, work: Work, items: Sequence[Item]) -> Iterator[Result]:
        """Yield results as chunks finish. UserError where a worker dies (the system killed it, most often).

        Workers end with the caller, however it ends: a chunk in flight is dropped then.
        """
        if not items:
            return
        threads = max(1, (os.cpu_count() or 1) // self._workers)
        context = multiprocessing.get_context("spawn")
        # Nothing is ever sent: workers notice when the other end closes, which even SIGKILL can't prevent.
        lifeline, held = context.Pipe(duplex=False)
        pool = ProcessPoolExecutor(
            self._workers, mp_context=context, initializer=_start, initargs=(work, threads, lifeline)
        )
        try:
            waiting = chunks(items, self._chunk_size)
            with _interrupts_held_back():
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
            held.close()
            pool.shutdown(cancel_futures=True)
            lifeline.close()


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Processes started meanwhile never see Ctrl-C, which goes to the whole group: the parent alone decides."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start(work: Work, threads: int, lifeline: Connection) -> None:
    """Runs once in each worker: keep the work, share the cores between the workers, and end with the parent."""
    import threading

    global _work
    _work = work
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()


def _end_with(lifeline: Connection) -> None:
    try:
        lifeline.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)


def _run(chunk: Sequence[Item]) -> list[Result]:
    return list(_work(chunk))
