"""Ray actors, for more than one machine. Every machine must see the videos under the same paths."""

from __future__ import annotations

import itertools
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Never

from nova_bench.core.errors import UserError
from nova_bench.execute.base import TIMES_SLOWEST, Executor, Item, LostWorker, Result, SentWork, Task, Work, begin
from nova_bench.execute.chunks import Chunk, ChunkQueue
from nova_bench.execute.crew import Arrival, Crew, Reporting

FAILED_STARTS = 3
"""The run ends after this many actors in a row died before they could work."""
WAITING_SECONDS = 60.0
"""The user is told that the cluster has no room for actors after this long."""
_TICK = 1.0


class RayExecutor(Executor):
    """A pool of Ray actors; connects to the cluster in RAY_ADDRESS, or starts a local one.

    An actor that dies (also with its node) or hangs is replaced. The progress inside an actor is unknown until a chunk
    is finished, so a chunk of n items may take n times as long as one.
    """

    def __init__(self, workers: int | None, chunk_size: int, device: str):
        try:
            import ray
        except ImportError as error:
            raise UserError("the executor `ray` needs the package ray", "pip install 'nova_bench[ray]'") from error
        self._ray: Any = ray
        self._asked, self._chunk_size, self._needs_gpu = workers, chunk_size, device.startswith("cuda")
        self._numbers = itertools.count()
        self._sent: SentWork[Any] = SentWork(ray.put)
        """By Ray's references."""
        self._resting: list[_Member] = []
        self._started_here = False

    def _results(self, task: Task[Item, Result]) -> Iterator[Result]:
        """Results as chunks finish. Raises UserError if actors can't start, and whatever the work raises."""
        if not self._ray.is_initialized():
            with _own_signals():
                self._ray.init(log_to_driver=False, include_dashboard=False, configure_logging=False)
            self._started_here = True
        yield from self._run(task, ChunkQueue(task.items, self._chunk_size, task.lost, task.crew.warn), task.crew)

    def dismiss(self) -> None:
        """End all actors, and the local cluster if this executor started one."""
        for member in self._resting:
            self._ray.kill(member.actor)
        self._resting.clear()
        self._sent.clear()
        if self._started_here:
            self._ray.shutdown()
            self._started_here = False

    def _run(self, task: Task, chunks: ChunkQueue, crew: Crew) -> Iterator[Result]:
        number, sent = self._sent.of(task.work)
        workers, gpus = self._workers_and_gpus()
        actor = self._ray.remote(num_gpus=gpus)(_Actor)
        running: dict[Any, _Running] = {}
        failed_starts, slowest, told = 0, 0.0, False
        try:
            while unfinished := len(chunks) + sum(held.chunk is not None for held in running.values()):
                while len(running) < min(workers, unfinished):
                    member = self._resting.pop() if self._resting else _Member(next(self._numbers), actor.remote())
                    running[member.actor.load.remote(number, sent)] = _Running(member, None, None, time.monotonic())
                done, _ = self._ray.wait(list(running), timeout=_TICK)
                now = time.monotonic()
                if (waiting := self._waits_for_room(running.values(), now)) and not told:
                    crew.warn(
                        f"the Ray cluster had no room for {waiting} of {len(running)} workers for "
                        f"{WAITING_SECONDS:.0f} s; `ray status` says what it has and what it is asked for"
                    )
                told = waiting > 0
                allowed = max(task.patience, TIMES_SLOWEST * slowest)
                for answer in done or [a for a, held in running.items() if held.overdue(now, allowed)]:
                    held = running.pop(answer)
                    try:
                        content = self._answer(answer) if done else self._give_up(held, now)
                    except LostWorker as problem:
                        crew.leave(held.member.number)
                        failed_starts += not held.member.began
                        if failed_starts >= FAILED_STARTS:
                            raise UserError(f"Ray actors can't start: {problem.message}", problem.remedy) from problem
                        chunks.give_back(held.following)
                        yield from chunks.lose(held.chunk, problem)
                        continue
                    failed_starts, held.member.began = 0, True
                    if held.chunk is None:
                        # Waiting for the cluster held no device.
                        crew.arrive(held.member.number, content, now, gpus or 1.0)
                    else:
                        slowest = max(slowest, (now - held.since) / len(held.chunk.items))
                        crew.finish(held.member.number, len(held.chunk.items))
                        yield from content
                    if held.following or chunks:
                        chunk = held.following or chunks.take()
                        following = chunks.reserve(task.work, workers)
                        meanwhile = following.items if following else ()
                        answer = held.member.actor.run.remote(number, chunk.items, meanwhile)
                        running[answer] = _Running(held.member, chunk, following, time.monotonic())
                    else:
                        crew.leave(held.member.number)
                        self._resting.append(held.member)
        finally:
            for held in running.values():
                self._ray.kill(held.member.actor)

    def _waits_for_room(self, running: Iterable[_Running], now: float) -> int:
        """The number of actors for which the cluster has had no room for too long."""
        late = [held.member.placed for held in running if held.chunk is None and now - held.since > WAITING_SECONDS]
        return len(self._ray.wait(late, num_returns=len(late), timeout=0)[1]) if late else 0

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
        self._ray.kill(held.member.actor)
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


@dataclass
class _Member:
    """An actor; ``number`` names it to those who must not keep it, since an actor without references ends."""

    number: int
    actor: Any
    placed: Any = field(init=False)
    """Ray's reference to an answer that comes as soon as the cluster has given it a place."""
    began: bool = False
    """Whether it has ever been ready."""

    def __post_init__(self) -> None:
        self.placed = self.actor.__ray_ready__.remote()


@dataclass(frozen=True)
class _Running:
    """An actor at work: its chunk (None: it gets its work), the one that it will do next, and since when."""

    member: _Member
    chunk: Chunk | None
    following: Chunk | None
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
    def __init__(self) -> None:
        self._works: dict[int, Work] = {}

    def load(self, number: int, work: Work) -> Arrival | None:
        """Keep ``work``, unless it is here under this number; what this actor says of itself, if its work knows."""
        work = self._works.setdefault(number, work)
        return work.arrival() if isinstance(work, Reporting) else None

    def run(self, number: int, chunk: Sequence[Item], following: Sequence[Item]) -> list[Result]:
        begin(following, self._works[number])
        return list(self._works[number](chunk))
