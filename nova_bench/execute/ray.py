"""Ray actors, for more than one machine. Every machine must see the videos under the same paths."""

from __future__ import annotations

import itertools
import signal
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Never

from nova_bench.core.errors import UserError
from nova_bench.execute.base import TIMES_SLOWEST, Item, Lost, LostWorker, Result, Work
from nova_bench.execute.chunks import Chunk, ChunkQueue
from nova_bench.execute.crew import Arrival, Crew, Reporting

FAILED_STARTS = 3
"""The run ends after this many actors in a row died before they could work."""
WAITING_SECONDS = 60.0
"""The user is told that the cluster has no room for an actor after this long."""
_TICK = 1.0


class RayExecutor:
    """A pool of Ray actors; connects to the cluster in RAY_ADDRESS, or starts a local one.

    An actor that dies (also with its node) or hangs is replaced. The progress inside an actor is unknown until a chunk
    is finished, so a chunk of n items may take n times as long as one.
    """

    def __init__(self, workers: int | None, chunk_size: int, device: str, stall_seconds: float):
        try:
            import ray
        except ImportError as error:
            raise UserError("the executor `ray` needs the package ray", "pip install 'nova_bench[ray]'") from error
        self._ray: Any = ray
        self._asked, self._chunk_size = workers, chunk_size
        self._needs_gpu, self._stall_seconds = device.startswith("cuda"), stall_seconds

    def map(
        self, work: Work[Item, Result], items: Sequence[Item], lost: Lost[Item, Result], crew: Crew
    ) -> Generator[Result, None, None]:
        """Yield results as chunks finish. Raises UserError if actors can't start, and whatever ``work`` raises."""
        if not items:
            return
        started_here = not self._ray.is_initialized()
        if started_here:
            with _own_signals():
                self._ray.init(log_to_driver=False, include_dashboard=False, configure_logging=False)
        try:
            yield from self._run(work, ChunkQueue(items, self._chunk_size, lost, crew.warn), crew)
        finally:
            if started_here:
                self._ray.shutdown()

    def _run(self, work: Work, chunks: ChunkQueue, crew: Crew) -> Iterator[Result]:
        workers, gpus = self._workers_and_gpus()
        actor = self._ray.remote(num_gpus=gpus)(_Actor)
        shared = self._ray.put(work)
        running: dict[Any, _Running] = {}
        numbers = itertools.count()
        failed_starts, slowest, waiting = 0, 0.0, False
        try:
            while unfinished := len(chunks) + sum(held.chunk is not None for held in running.values()):
                while len(running) < min(workers, unfinished):
                    new = actor.remote(shared)
                    running[new.ready.remote()] = _Running(new, next(numbers), None, time.monotonic())
                done, _ = self._ray.wait(list(running), timeout=_TICK)
                now = time.monotonic()
                waiting = self._tell_of_waiting(list(running.values()), now, waiting, crew)
                allowed = max(self._stall_seconds, TIMES_SLOWEST * slowest)
                for answer in done or [a for a, held in running.items() if held.overdue(now, allowed)]:
                    held = running.pop(answer)
                    try:
                        content = self._answer(answer) if done else self._give_up(held, now)
                    except LostWorker as problem:
                        crew.leave(held.number)
                        failed_starts += held.chunk is None
                        if failed_starts >= FAILED_STARTS:
                            raise UserError(f"Ray actors can't start: {problem.message}", problem.remedy) from problem
                        yield from chunks.lose(held.chunk, problem)
                        continue
                    failed_starts = 0
                    if held.chunk is None:
                        crew.arrive(held.number, content, now, gpus or 1.0)  # waiting for the cluster held no device
                    else:
                        slowest = max(slowest, (now - held.since) / len(held.chunk.items))
                        crew.finish(held.number, len(held.chunk.items))
                        yield from content
                    if chunks:
                        chunk = chunks.take()
                        running[held.actor.run.remote(chunk.items)] = replace(held, chunk=chunk, since=time.monotonic())
                    else:
                        crew.leave(held.number)
        finally:
            for held in running.values():
                self._ray.kill(held.actor)

    def _tell_of_waiting(self, running: Sequence[_Running], now: float, told: bool, crew: Crew) -> bool:
        """Warn once that nothing happens because the cluster has no room for an actor; returns whether that is so."""
        if not all(held.chunk is None and now - held.since > WAITING_SECONDS for held in running):
            return False
        if not told:
            crew.warn(
                f"waiting for the Ray cluster: it had no room for a worker for {WAITING_SECONDS:.0f} s; `ray status` "
                "says what it has and what it is asked for"
            )
        return True

    def _answer(self, answer: Any) -> Any:
        """An actor's answer. Raises LostWorker if the actor died."""
        try:
            return self._ray.get(answer)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, Exception) else error from error
        except self._ray.exceptions.RayError as error:
            raise LostWorker(
                f"a Ray actor died ({type(error).__name__})",
                "`ray logs` may say why; if memory ran out, use fewer --workers",
            ) from error

    def _give_up(self, held: _Running, now: float) -> Never:
        self._ray.kill(held.actor)
        raise LostWorker(
            f"a Ray actor hung: it finished nothing for {now - held.since:.0f} s",
            "if it was only slow: --set execution.stall_seconds=SECONDS",
        )

    def _workers_and_gpus(self) -> tuple[int, float]:
        """Actors, one per GPU unless the suite says how many, and GPUs for each.

        Ray hides every GPU that an actor doesn't ask for; more actors than GPUs share them.
        """
        if not self._needs_gpu:
            return self._asked or 1, 0
        if not (gpus := self._ray.cluster_resources().get("GPU", 0)):
            raise UserError("this Ray cluster has no GPU", "use --device cpu, or start Ray on machines with GPUs")
        workers = self._asked or int(gpus)
        return workers, min(1.0, gpus / workers)


@dataclass(frozen=True)
class _Running:
    """An actor, the last chunk it was given (None: it is starting), and when.

    ``number`` names it to those who must not keep it: an actor without references ends.
    """

    actor: Any
    number: int
    chunk: Chunk | None
    since: float

    def overdue(self, now: float, allowed: float) -> bool:
        """Whether a chunk takes longer than ``allowed`` seconds per item. Starting may wait for the cluster to grow."""
        return self.chunk is not None and now - self.since > allowed * len(self.chunk.items)


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep our handler for SIGTERM, which ends a run in order; Ray's exits at once."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


class _Actor:
    def __init__(self, work: Work):
        self._work = work

    def ready(self) -> Arrival | None:
        """Once the actor can work: what it says of itself, if its work knows that."""
        return self._work.arrival() if isinstance(self._work, Reporting) else None

    def run(self, chunk: Sequence[Item]) -> list[Result]:
        return list(self._work(chunk))
