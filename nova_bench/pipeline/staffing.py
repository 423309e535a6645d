"""Staffs a stage: the mark by which workers recognize the samples' folder, and an account of who held which device."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from typing import Any, Protocol, TypeVar

from nova_bench.core.device import describe_device
from nova_bench.core.progress import Progress
from nova_bench.execute.base import Executor, Item, LostWorker, Result
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


@contextmanager
def working(
    stage: str,
    executor: Executor,
    work: StageWork[Item, Result],
    items: Sequence[Item],
    address: str,
    store: Store,
    progress: Progress,
    warn: Callable[[str], None],
) -> Iterator[tuple[Iterator[Result], Callable[[int], None]]]:
    """Inside, ``executor`` works at a stage; yields the results, and what to call with the number of items done.

    ``address`` is the suite's `execution.exchange`. Afterwards ``progress`` knows for how long devices were held.
    StoreError if the samples' folder can't be written, UserError if the exchange can't be used.
    """
    here = isinstance(executor, InlineExecutor)
    started = time.monotonic()
    with nullcontext() if here or not items else shared_place(store, address) as work.place:
        crew = Crew(warn)
        if work.place is not None:
            crew = Crew(warn, work.facts(), work.place.name)
            work.sent(items)
        try:
            with (
                progress.stage(stage, len(items), each=crew.rates) as advance,
                closing(executor.map(work, items, work.lose, crew)) as results,
            ):
                yield results if here else map(work.received, results), advance
        finally:
            if here and items:
                progress.hold(stage, {describe_device(work.device)["name"]: time.monotonic() - started})
            progress.hold(stage, crew.held())
            for account in crew.accounts():
                progress.log(f"{stage}: {account}")


def kinds_of_devices(
    held: Mapping[str, Mapping[str, float]], invocations: Sequence[Mapping[str, Any]]
) -> dict[str, list[str]]:
    """Stage -> names of its devices, where devices of several kinds worked at it, now or in earlier ``invocations``."""
    kinds = {stage: set(devices) for stage, devices in held.items()}
    for invocation in invocations:
        for stage, devices in invocation.get("device_hours", {}).items():
            kinds.setdefault(stage, set()).update(devices)
    return {stage: sorted(names) for stage, names in kinds.items() if len(names) > 1}
