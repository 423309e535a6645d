"""The workers of one stage: whether they fit together, what each has done, and for how long it held its device."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from nova_bench.core.errors import UserError

LEAST_FREE_BYTES = 2**28
"""A worker that can write less than this to the folder of the samples would soon fail."""
_LISTED = 8
"""The throughput of at most so many workers is listed; of more, the range."""


@dataclass(frozen=True)
class Arrival:
    """What a worker says of itself before it is given anything to do."""

    node: str
    """Host name."""
    device: str
    """Name of its GPU or processor."""
    facts: Mapping[str, str]
    """What has to be the same everywhere: versions of code, digests of weights."""
    sees_folder: bool
    """Whether it finds the mark that the driver put into the folder of the samples."""
    free_bytes: int
    """Space left in that folder; 0 if it isn't seen."""


@runtime_checkable
class Reporting(Protocol):
    """Work that describes the worker it arrived at."""

    def arrival(self) -> Arrival:
        """Called by the worker once, before its first items."""
        ...


@dataclass
class _Member:
    name: str
    device: str
    share: float
    since: float
    """When it was started, from when on it holds its device."""
    ready: float
    """When it could begin."""
    until: float | None = None
    done: int = 0

    def seconds(self, now: float) -> float:
        """For which it held its device."""
        return (now if self.until is None else self.until) - self.since

    def rate(self, now: float) -> float:
        """Items a second of its working time."""
        return self.done / max((now if self.until is None else self.until) - self.ready, 1e-9)


@dataclass
class Crew:
    """Who works at a stage. An executor tells when workers arrive, finish something and leave."""

    warn: Callable[[str], None]
    """Called with a line for each worker that is lost."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What every worker's facts must be."""
    folder: str = ""
    """The folder of the samples, for messages."""
    clock: Callable[[], float] = time.monotonic
    _members: dict[Hashable, _Member] = field(default_factory=dict)

    def arrive(self, worker: Hashable, arrival: Arrival | None, since: float, share: float = 1.0) -> None:
        """Let a worker begin that was started at ``since`` on this ``share`` of a device.

        Raises UserError, which names the node, if it has other code or weights, can't see the samples or can't write.
        """
        if arrival is None:
            return
        self._check(arrival)
        number = sum(member.name.startswith(f"{arrival.node} ") for member in self._members.values()) + 1
        self._members[worker] = _Member(f"{arrival.node} {number}", arrival.device, share, since, self.clock())

    def finish(self, worker: Hashable, items: int) -> None:
        """Count what a worker has done."""
        if (member := self._members.get(worker)) is not None:
            member.done += items

    def leave(self, worker: Hashable) -> None:
        """A worker ended or was lost."""
        if (member := self._members.get(worker)) is not None and member.until is None:
            member.until = self.clock()

    def rates(self) -> str:
        """Items a second of each worker that is at work; empty if there are fewer than two."""
        now = self.clock()
        rates = sorted(member.rate(now) for member in self._members.values() if member.until is None)
        if len(rates) < 2:
            return ""
        return (
            ",".join(f"{rate:.2f}" for rate in rates) if len(rates) <= _LISTED else f"{rates[0]:.2f}..{rates[-1]:.2f}"
        )

    def held(self) -> dict[str, float]:
        """Name of a device -> seconds for which workers held devices of that name, from their start on."""
        now, held = self.clock(), dict[str, float]()
        for member in self._members.values():
            held[member.device] = held.get(member.device, 0.0) + member.share * member.seconds(now)
        return held

    def accounts(self) -> list[str]:
        """A line for each worker, for the log."""
        now = self.clock()
        return [
            f"worker {member.name} ({member.device}): {member.done} done, {member.rate(now):.3f}/s; held for "
            f"{member.seconds(now):.1f} s"
            for member in self._members.values()
        ]

    def _check(self, arrival: Arrival) -> None:
        different = [
            f"{name} is {arrival.facts.get(name, 'absent')} there and {value} here"
            for name, value in self.facts.items()
            if arrival.facts.get(name) != value
        ]
        if different:
            raise UserError(
                f"the worker on {arrival.node} doesn't fit: {'; '.join(different)}",
                "give all machines the same code and weights, then repeat the command",
            )
        if not arrival.sees_folder:
            raise UserError(
                f"the worker on {arrival.node} doesn't see the samples: {self.folder} isn't the same folder there",
                "put the store on a file system that all machines see under this path (--store FOLDER)",
            )
        if arrival.free_bytes < LEAST_FREE_BYTES:
            raise UserError(
                f"the worker on {arrival.node} has {arrival.free_bytes / 2**20:.0f} MiB left in {self.folder}",
                "free some space and repeat the command to continue",
            )
