"""Tracks the work that is left while workers come and go."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nova_bench.execute.base import Item, Lost, LostWorker, Preparing, Result


@dataclass(frozen=True)
class Chunk:
    """The items that one worker is given at a time."""

    items: Sequence[Any]
    again: bool = False
    """Whether a worker was already lost with it; it then holds a single item."""


class ChunkQueue:
    """Chunks of at most ``size`` items in order; after them, one by one, the items that lost workers held."""

    def __init__(self, items: Sequence[Item], size: int, lost: Lost, warn: Callable[[str], None]):
        self._waiting = deque(Chunk(items[start : start + size]) for start in range(0, len(items), size))
        self._lost, self._warn = lost, warn

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self) -> Chunk:
        """The next chunk."""
        return self._waiting.popleft()

    def reserve(self, work: object, workers: int) -> Chunk | None:
        """The chunk that a worker shall do after its present one, if ``work`` gains by it and ``workers`` find more."""
        return self._waiting.popleft() if isinstance(work, Preparing) and len(self._waiting) > workers else None

    def give_back(self, chunk: Chunk | None) -> None:
        """Return a chunk that was reserved, if there is one."""
        if chunk is not None:
            self._waiting.appendleft(chunk)

    def lose(self, chunk: Chunk | None, problem: LostWorker) -> Iterator[Result]:
        """Requeue the items of a lost worker's chunk, or yield their final result if they lost a worker before."""
        if chunk is None:
            self._warn(f"{problem.message}; replaced")
        elif chunk.again:
            self._warn(f"{problem.message}; replaced; its item is given up, since it lost a worker before")
            yield from (self._lost(item, problem) for item in chunk.items)
        else:
            self._warn(f"{problem.message}; replaced; its items are tried again")
            self._waiting.extend(Chunk([item], again=True) for item in chunk.items)
