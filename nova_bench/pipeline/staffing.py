"""Staffs a stage: the mark by which workers recognize the samples' folder, and an account of who held which device."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Any, Protocol, Self, TypeVar

from nova_bench.config.suite import ExecutionSpec
from nova_bench.core.device import describe_device
from nova_bench.core.progress import Progress
from nova_bench.execute.base import Item, LostWorker, Result
from nova_bench.execute.choice import executor_of
from nova_bench.execute.crew import Crew
from nova_bench.execute.inline import InlineExecutor
from nova_bench.pipeline.place import Place, shared_place
from nova_bench.store import Store

Taken = TypeVar("Taken", contravariant=True)
Made = TypeVar("Made")


class StageWork(Protocol[Taken, Made]):
    """The work of a stage, which can be sent to workers."""

    device: str
    place: Place | None
    """Where workers find and leave files; None if there are no workers."""

    def __call__(self, items: Sequence[Taken], /) -> Iterator[Made]:
        """The results of items, batch by batch."""
        ...

    def lose(self, item: Taken, problem: LostWorker, /) -> Made:
        """The result of an item that no worker survives."""
        ...

    def facts(self) -> dict[str, str]:
        """What has to be the same in every worker."""
        ...

    def sent(self, items: Sequence[Taken], /) -> None:
        """Called before workers get ``items``: what they need travels ahead."""
        ...

    def received(self, result: Made, /) -> Made:
        """A result that a worker made, with what it left for this process."""
        ...


class Staff:
    """Who works at a run's stages, as its suite's `execution` says. Workers stay for further stages until dismissed."""

    def __init__(self, execution: ExecutionSpec, store: Store, progress: Progress):
        self._execution, self._store, self._progress = execution, store, progress
        self._executor = executor_of(execution)
        self._place: Place | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """This staff."""
        return self

    def __exit__(self, *raised: object) -> None:
        """Dismiss the workers."""
        self.dismiss()

    def dismiss(self) -> None:
        """End the workers; what they have loaded is gone."""
        try:
            self._executor.dismiss()
        finally:
            self._place = None
            self._open.close()

    @contextmanager
    def working(
        self,
        stage: str,
        work: StageWork[Item, Result],
        items: Sequence[Item],
        warn: Callable[[str], None],
        stall_seconds: float | None,
        here: bool = False,
    ) -> Iterator[tuple[Iterator[Result], Callable[[int], None]]]:
        """Inside, the workers are at a stage; yields the results, and what to call with the number of items done.

        A step may take ``stall_seconds``, or any time. ``here``: the items need no workers. Afterwards the progress
        knows for how long devices were held. StoreError if the samples' folder can't be written, UserError if the
        exchange can't be used.
        """
        executor = InlineExecutor() if here else self._executor
        here = isinstance(executor, InlineExecutor)
        started = time.monotonic()
        work.place = None if here or not items else self._shared_place()
        crew = Crew(warn)
        if work.place is not None:
            crew = Crew(warn, work.facts(), work.place.name)
            work.sent(items)
        try:
            with (
                self._progress.stage(stage, len(items), each=crew.rates) as advance,
                closing(executor.map(work, items, work.lose, crew, stall_seconds)) as results,
            ):
                yield results if here else map(work.received, results), advance
        finally:
            if here and items:
                self._progress.hold(stage, {describe_device(work.device)["name"]: time.monotonic() - started})
            self._progress.hold(stage, crew.held())
            for account in crew.accounts():
                self._progress.log(f"{stage}: {account}")

    def _shared_place(self) -> Place:
        """The same place as long as the same workers stay: they are told of it once."""
        if self._place is None:
            self._place = self._open.enter_context(shared_place(self._store, self._execution.exchange))
        return self._place


def kinds_of_devices(
    held: Mapping[str, Mapping[str, float]], invocations: Sequence[Mapping[str, Any]]
) -> dict[str, list[str]]:
    """Stage -> names of its devices, where devices of several kinds worked at it, now or in earlier ``invocations``."""
    kinds = {stage: set(devices) for stage, devices in held.items()}
    for invocation in invocations:
        for stage, devices in invocation.get("device_hours", {}).items():
            kinds.setdefault(stage, set()).update(devices)
    return {stage: sorted(names) for stage, names in kinds.items() if len(names) > 1}
