"""Staffs a stage: the mark by which workers recognize the samples' folder, and an account of who held which device."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol, TypeVar

from nova_bench.core.atomic_files import write_atomic
from nova_bench.core.device import describe_device
from nova_bench.core.progress import Progress
from nova_bench.execute.base import Executor, Item, LostWorker, Result
from nova_bench.execute.crew import Crew
from nova_bench.execute.inline import InlineExecutor
from nova_bench.store import Store

Taken = TypeVar("Taken", contravariant=True)
Made = TypeVar("Made", covariant=True)


class StageWork(Protocol[Taken, Made]):
    """The work of a stage, which can be sent to workers."""

    device: str
    mark: Path | None
    """A file in the folder where finished files wait, by which workers recognize it; None if there are no workers."""

    def __call__(self, items: Sequence[Taken], /) -> Iterator[Made]:
        """The results of items, batch by batch."""
        ...

    def lose(self, item: Taken, problem: LostWorker, /) -> Made:
        """The result of an item that no worker survives."""
        ...

    def facts(self) -> dict[str, str]:
        """What has to be the same in every worker."""
        ...


@contextmanager
def working(
    stage: str,
    executor: Executor,
    work: StageWork[Item, Result],
    items: Sequence[Item],
    store: Store,
    progress: Progress,
    warn: Callable[[str], None],
) -> Iterator[tuple[Iterator[Result], Callable[[int], None]]]:
    """Inside, ``executor`` works at a stage; yields the results, and what to call with the number of items done.

    Afterwards ``progress`` knows for how long devices were held. StoreError if the samples' folder can't be written.
    """
    here = isinstance(executor, InlineExecutor)
    started = time.monotonic()
    with nullcontext() if here or not items else store.waiting_room() as room:
        crew = Crew(warn)
        if room is not None:
            work.mark = write_atomic(room / "mark", b"")
            crew = Crew(warn, work.facts(), str(room))
        try:
            with (
                progress.stage(stage, len(items), each=crew.rates) as advance,
                closing(executor.map(work, items, work.lose, crew)) as results,
            ):
                yield results, advance
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
