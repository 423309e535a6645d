"""Ray actors, for more than one machine. Every machine must see the videos under the same paths."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from nova_bench.errors import UserError
from nova_bench.execute import Item, Result, Work, chunks


class RayExecutor:
    """A pool of Ray actors; connects to the cluster in RAY_ADDRESS, or starts a local one."""

    def __init__(self, workers: int, chunk_size: int, device: str):
        try:
            import ray
        except ImportError as error:
            raise UserError("the executor `ray` needs the package ray", "pip install 'nova_bench[ray]'") from error
        self._ray, self._workers, self._chunk_size = ray, workers, chunk_size
        self._needs_gpu = device.startswith("cuda")

    def map(self, work: Work, items: Sequence[Item]) -> Iterator[Result]:
        """Yield results as chunks finish. UserError where an actor dies."""
        from ray.util import ActorPool

        if not items:
            return
        started_here = not self._ray.is_initialized()
        if started_here:
            with _own_signals():
                self._ray.init(log_to_driver=False, include_dashboard=False, configure_logging=False)
        try:
            remote = self._ray.remote(num_gpus=self._gpus_each())(_Actor)
            pool = ActorPool([remote.remote(work) for _ in range(self._workers)])
            for results in pool.map_unordered(
                lambda actor, chunk: actor.run.remote(chunk), list(chunks(items, self._chunk_size))
            ):
                yield from results
        except self._ray.exceptions.RayActorError as error:
            raise UserError(
                "a Ray actor died; finished rows are kept", "look at `ray logs`, then run the same command again"
            ) from error
        finally:
            if started_here:
                self._ray.shutdown()

    def _gpus_each(self) -> float:
        """Ray hides every GPU that an actor doesn't ask for; more actors than GPUs share them."""
        if not self._needs_gpu:
            return 0
        if not (gpus := self._ray.cluster_resources().get("GPU", 0)):
            raise UserError("this Ray cluster has no GPU", "--device cpu, or start Ray where the GPUs are")
        return min(1.0, gpus / self._workers)


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray sets a handler for SIGTERM that exits at once; ours ends a run properly."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


class _Actor:
    def __init__(self, work: Work):
        self._work = work

    def run(self, chunk: Sequence[Item]) -> list[Result]:
        return list(self._work(chunk))
