"""Where workers find samples and leave finished files: a folder that all see, or an address."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nova_bench.core.atomic_files import write_atomic
from nova_bench.pipeline.exchange import Exchange
from nova_bench.store import Store


@dataclass(frozen=True)
class Place:
    """As this process knows it; sent to workers with the work."""

    room: Path
    """Folder of the process that writes the store, in which files wait for it. Workers see it unless there is an
    exchange."""
    mark: str
    """Name of a file by which workers recognize the place."""
    exchange: Exchange | None = None

    @property
    def name(self) -> str:
        """For messages."""
        return self.exchange.address if self.exchange else str(self.room)

    def is_seen(self) -> bool:
        """Whether this process finds the mark. UserError if the exchange can't be reached."""
        return self.mark in self.exchange.names() if self.exchange else (self.room / self.mark).is_file()

    def free_bytes(self) -> int:
        """Space where this process, a worker, writes finished files."""
        folder = Path(tempfile.gettempdir()) if self.exchange else self.room
        return shutil.disk_usage(folder).free if folder.is_dir() else 0


@contextmanager
def shared_place(store: Store, address: str) -> Iterator[Place]:
    """The place for a stage's workers: at ``address``, or if that is empty in the store's folder.

    UserError or StoreError if it can't be written.
    """
    with store.waiting_room() as room:
        if not address:
            write_atomic(room / "mark", b"")
            yield Place(room, "mark")
            return
        exchange = Exchange(address)
        with exchange.mark() as mark:
            yield Place(room, mark, exchange)
