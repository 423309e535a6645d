"""Repairs a damaged database: the last backup, plus every video made since."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from nova_bench.core.atomic_files import write_with
from nova_bench.core.errors import StoreError
from nova_bench.store import database, journal
from nova_bench.store.lock import WriterLock
from nova_bench.store.store import ARTIFACTS, BACKUP, DATABASE, Store


@dataclass(frozen=True)
class Restored:
    """The result of a restore."""

    kept: tuple[Path, ...]
    """Where databases that were replaced or unusable are now."""
    from_backup: bool
    videos: int
    """Videos in the journal that the backup didn't have."""


def restore(root: Path, force: bool = False) -> Restored:
    """Replace the database by its last sound backup (or an empty one) and enter the videos made since.

    The damaged file is kept. The next run recomputes scores that are newer than the backup. Raises StoreError if the
    database isn't damaged, unless ``force``.
    """
    backup, path = root / BACKUP, root / DATABASE
    if not any(file.exists() for file in (path, backup, root / ARTIFACTS / journal.JOURNAL)):
        raise StoreError(f"{root}: neither a database nor a backup here", "name the store's folder")
    lock = WriterLock(root)
    try:
        if path.exists() and not force and not _is_damaged(path):
            raise StoreError(
                f"{path}: is not damaged; restoring a backup would remove newer scores",
                f"python -m nova_bench store restore --force --store {root}  replaces it anyway and keeps it",
            )
        with database.explained(root):
            kept = [_set_aside(path)]
            from_backup = backup.is_file()
            if from_backup and _is_damaged(backup):
                kept.append(_set_aside(backup))
                from_backup = False
            if from_backup:
                write_with(path, lambda temporary: shutil.copyfile(backup, temporary))
            else:
                database.create(path)
    finally:
        lock.release()
    with Store.writer(root) as store:
        found = store.from_journal + store.record_journal()
        return Restored(tuple(filter(None, kept)), from_backup, found)


def _is_damaged(path: Path) -> bool:
    """Whether a database can't be trusted. Raises StoreError if it can't be read or is from another version."""
    try:
        database.open_to_read(path).close()
    except database.DamagedStore:
        return True
    return False


def _set_aside(path: Path) -> Path | None:
    """Rename a database with its log to a free name, so that nothing is lost; return its new path.

    A log left without its database is renamed too: SQLite would take it for the next database's log.
    """
    parts = [suffix for suffix in ("", "-wal", "-shm") if os.path.lexists(f"{path}{suffix}")]
    if not parts:
        return None
    stem = f"{path.stem}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    names = (path.with_name(f"{stem}{f'-{number}' if number else ''}.sqlite") for number in count())
    kept = next(name for name in names if not any(os.path.lexists(f"{name}{s}") for s in ("", "-wal", "-shm")))
    for suffix in parts:
        os.rename(f"{path}{suffix}", f"{kept}{suffix}")
    return kept
