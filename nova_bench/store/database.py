"""The SQLite file: schema, opening for one writer or many readers, and what its errors mean to a user."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nova_bench.errors import StoreError

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE artifacts (
    unit TEXT PRIMARY KEY, status TEXT NOT NULL, sha256 TEXT NOT NULL, suffix TEXT NOT NULL, external TEXT NOT NULL,
    size INTEGER NOT NULL, error TEXT NOT NULL, details TEXT NOT NULL, seconds REAL NOT NULL, created TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE rows (
    artifact TEXT NOT NULL, identity TEXT NOT NULL, inputs TEXT NOT NULL, scorer TEXT NOT NULL, version TEXT NOT NULL,
    status TEXT NOT NULL, value REAL, weight REAL NOT NULL, message TEXT NOT NULL, details TEXT NOT NULL,
    seconds REAL NOT NULL, created TEXT NOT NULL, PRIMARY KEY (identity, artifact, inputs)
) WITHOUT ROWID;
CREATE TABLE runs (
    run TEXT PRIMARY KEY, name TEXT NOT NULL, suite TEXT NOT NULL, scorers TEXT NOT NULL, created TEXT NOT NULL
);
CREATE TABLE run_units (
    run TEXT NOT NULL, position INTEGER NOT NULL, unit TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (run, position)
) WITHOUT ROWID;
CREATE TABLE timings (
    stage TEXT NOT NULL, what TEXT NOT NULL, device TEXT NOT NULL, items INTEGER NOT NULL, seconds REAL NOT NULL,
    PRIMARY KEY (stage, what, device)
) WITHOUT ROWID;
CREATE TABLE file_digests (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, modified INTEGER NOT NULL, sha256 TEXT NOT NULL
) WITHOUT ROWID;
"""


def open_database(path: Path, write: bool) -> sqlite3.Connection:
    """Open the database at ``path``; create it where ``write`` is set and there is none.

    StoreError where it is damaged, was made by another version, or can't be read.
    """
    with explained(path):
        connection = _connect_to_write(path) if write else _connect_to_read(path)
        try:
            _verify(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def _connect_to_write(path: Path) -> sqlite3.Connection:
    is_new = not path.exists()
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    # FULL: what was committed survives a power cut, not only a kill. Commits are per batch, so it costs little.
    connection.execute("PRAGMA synchronous=FULL")
    if is_new or connection.execute("PRAGMA user_version").fetchone()[0] == 0:
        connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
    return connection


def _connect_to_read(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise StoreError(f"{path.parent}: no store here", "run a suite first, or give --store FOLDER")
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        # A database in WAL mode wants to write beside itself even for reading; on read-only media nobody else can be
        # writing, so it may be taken as immutable.
        connection.close()
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?immutable=1", uri=True, isolation_level=None)
    return connection


def _verify(connection: sqlite3.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != SCHEMA_VERSION:
        raise StoreError(
            f"{path}: written by another version of nova_bench (layout {version}, this one reads {SCHEMA_VERSION})",
            "use that version, or another --store",
        )
    problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise damaged(path, problem)


def damaged(path: Path, problem: str) -> StoreError:
    """The error for a database whose pages contradict each other. Nothing is written to it any more."""
    folder = path.parent
    return StoreError(
        f"{path}: the database is damaged ({problem.splitlines()[0]}); nothing was changed, the videos are intact",
        f"python -m nova_bench store restore {folder}  puts the last backup in its place and keeps the damaged file",
    )


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and of the file system into a StoreError that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise _explain(error, path) from error
    except OSError as error:
        raise explain_os_error(error, path) from error


def _explain(error: sqlite3.Error, path: Path) -> StoreError:
    text = str(error)
    if "full" in text:
        return disk_full(path)
    if "readonly" in text or "read-only" in text or "unable to open" in text:
        return read_only(path)
    if "locked" in text:
        return StoreError(f"{path}: another process is using the database", "wait for it to end")
    if "disk I/O error" in text:
        return StoreError(f"{path}: the disk failed or is full", "free space or check the disk, then run again")
    if isinstance(error, sqlite3.DatabaseError):
        return damaged(path, text)
    return StoreError(f"{path}: {text}", "run again with --debug")


def explain_os_error(error: OSError, path: Path) -> StoreError:
    """The StoreError for an OSError while reading or writing ``path``."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return disk_full(path)
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return read_only(path)
    return StoreError(f"{path}: {error.strerror or error}", "check the path and the disk")


def disk_full(path: Path) -> StoreError:
    """The error for a full disk."""
    return StoreError(
        f"{path}: the disk is full; everything finished before is kept",
        "free some space and run the same command again: it continues",
    )


def read_only(path: Path) -> StoreError:
    """The error for a store that can't be written."""
    return StoreError(
        f"{path}: can't be written (read-only, or not yours)",
        "give another --store FOLDER; `report` and `plan` work on a read-only store",
    )
