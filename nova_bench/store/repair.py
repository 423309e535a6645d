"""What to do with a damaged database: the last backup, plus every video made since."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nova_bench.atomic import write_with
from nova_bench.errors import StoreError
from nova_bench.store import database, journal
from nova_bench.store.lock import WriterLock
from nova_bench.store.store import ARTIFACTS, BACKUP, DATABASE, Store


@dataclass(frozen=True)
class Restored:
    """What a restore did."""

    kept: Path | None
    """Where the damaged database lies now."""
    from_backup: bool
    videos: int
    """Videos that the journal knew beyond the backup."""


def restore(root: Path) -> Restored:
    """Replace the database by its last backup (an empty one without) and enter the videos made since.

    The damaged file is kept. Scores that are newer than the backup are computed again by the next run.
    """
    backup, path = root / BACKUP, root / DATABASE
    if not any(file.exists() for file in (path, backup, root / ARTIFACTS / journal.JOURNAL)):
        raise StoreError(f"{root}: neither a database nor a backup here", "give the store's folder")
    lock = WriterLock(root)
    try:
        with database.explained(root):
            kept = _set_aside(root, path)
            from_backup = backup.is_file()
            if from_backup:
                write_with(path, lambda temporary: shutil.copyfile(backup, temporary))
            else:
                database.create(path)
    finally:
        lock.release()
    with Store.writer(root) as store:
        return Restored(kept, from_backup, store.from_journal + store.record_journal())


def _set_aside(root: Path, path: Path) -> Path | None:
    """Rename the database with its log, under one name, so that nothing is lost; return where it lies now."""
    if not path.exists():
        return None
    kept = root / f"store.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S}.sqlite"
    for suffix in ("", "-wal", "-shm"):
        part = Path(f"{path}{suffix}")
        if part.exists():
            part.rename(f"{kept}{suffix}")
    return kept
