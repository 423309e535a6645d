"""The SQLite file: its schema, opening it for one writer or many readers, and explaining its errors to a user."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nova_bench.core.atomic_files import disk_full, explained_os_errors, read_only
from nova_bench.core.errors import StoreError

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
"""
# Tables added to the same layout later. A store that hasn't been written to since lacks them.
ADDED_TABLES = """
CREATE TABLE IF NOT EXISTS notices (
    run TEXT NOT NULL, planned INTEGER NOT NULL, text TEXT NOT NULL, names TEXT NOT NULL, PRIMARY KEY (run, text)
);
CREATE TABLE IF NOT EXISTS remembered_digests (
    path TEXT PRIMARY KEY, stamp TEXT NOT NULL, sha256 TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS last_change (one INTEGER PRIMARY KEY, token TEXT NOT NULL);
"""
# Identifies the last change: two databases with the same token have the same content.
LAST_CHANGE = "INSERT OR REPLACE INTO last_change VALUES (1, ?)"
# The two byte orders of checksums in a write-ahead log (https://www.sqlite.org/fileformat2.html#the_write_ahead_log).
LOG_MAGIC = {0x377F0682: "<", 0x377F0683: ">"}
LOG_HEADER = 32


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open the database at ``path`` without changing a byte of it, and check it.

    Raises StoreError if there is none, or if it is damaged, from another version or unreadable.
    """
    with explained(path):
        if not path.is_file():
            raise StoreError(f"{path.parent}: no store here", "run a suite first, or name another --store FOLDER")
        _check_log(path)
        connection = _connect_to_read(path)
        try:
            _check(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def open_to_write(path: Path) -> sqlite3.Connection:
    """Open the database at ``path`` after checking it through a reader, so that a damaged one stays unchanged."""
    open_to_read(path).close()
    with explained(path):
        connection = _connect_to_write(path)
        try:
            connection.executescript(f"BEGIN IMMEDIATE; {ADDED_TABLES} COMMIT;")
        except BaseException:
            connection.close()
            raise
        return connection


def has_table(connection: sqlite3.Connection, name: str) -> bool:
    """Whether there is a table of that name; an old store opened for reading may lack the added ones."""
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [name]).fetchone() is not None


def create(path: Path) -> None:
    """Create an empty database, or finish one whose creation was interrupted."""
    with explained(path):
        connection = _connect_to_write(path)
        try:
            connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
        finally:
            connection.close()


def is_empty(path: Path) -> bool:
    """Whether nothing was ever committed there: no file, or one without tables because its creation was interrupted."""
    if not path.exists():
        return True
    with explained(path):
        _check_log(path)
        connection = _connect_to_read(path)
        try:
            return connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        finally:
            connection.close()


def _connect_to_write(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        # A kill loses nothing. A power cut may lose the last commits, each as a whole: videos are recovered from their
        # own journal, which is synced, and scores are computed again.
        connection.execute("PRAGMA synchronous=NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_to_read(path: Path) -> sqlite3.Connection:
    address = path.resolve().as_uri()
    connection = sqlite3.connect(f"{address}?mode=ro", uri=True, isolation_level=None)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        # A database in WAL mode writes beside itself even for reading. On read-only media nobody else can be writing,
        # so it may be opened as immutable. That ignores its log, so there must be none.
        how = "mode=rw" if _log_of(path) else "immutable=1"
        connection = sqlite3.connect(f"{address}?{how}", uri=True, isolation_level=None)
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != SCHEMA_VERSION:
        if version == 0 and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
            raise damaged(path, "it is empty")
        raise StoreError(
            f"{path}: written by another version of nova_bench (layout {version}; this one reads {SCHEMA_VERSION})",
            "use that version, or choose another --store",
        )
    problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise damaged(path, problem)


def _check_log(path: Path) -> None:
    """Refuse a log with a corrupt header: SQLite would treat it as absent and overwrite it."""
    header = _log_of(path)
    if len(header) < LOG_HEADER:
        return
    order = LOG_MAGIC.get(int.from_bytes(header[:4], "big"))
    if order is not None:
        words = struct.unpack(f"{order}6I", header[:24])
        first = second = 0
        for even, odd in zip(words[::2], words[1::2], strict=True):
            first = (first + even + second) & 0xFFFFFFFF
            second = (second + odd + first) & 0xFFFFFFFF
        if struct.pack(">2I", first, second) == header[24:]:
            return
    raise damaged(path, "its write-ahead log is unreadable")


def _log_of(path: Path) -> bytes:
    """The first bytes of the write-ahead log; empty if everything in it is in the database."""
    try:
        with open(f"{path}-wal", "rb") as stream:
            return stream.read(LOG_HEADER)
    except FileNotFoundError:
        return b""


def last_change(connection: sqlite3.Connection) -> str:
    """The token that :data:`LAST_CHANGE` wrote last; empty if it never did."""
    if not has_table(connection, "last_change"):
        return ""
    found = connection.execute("SELECT token FROM last_change").fetchone()
    return found[0] if found else ""


class DamagedStore(StoreError):
    """The database can no longer be trusted."""


def damaged(path: Path, problem: str) -> DamagedStore:
    """The error for a database that can no longer be trusted. Nothing is written to it."""
    problem = " ".join(problem.split())
    return DamagedStore(
        f"{path}: the database is damaged ({problem}); nothing was changed, the videos are intact",
        f"python -m nova_bench store restore --store {path.parent}  restores the last backup and "
        "keeps the damaged file",
    )


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite and file system errors into a StoreError that says what to do."""
    try:
        with explained_os_errors(path):
            yield
    except sqlite3.Error as error:
        raise _explain(error, path) from error


def _explain(error: sqlite3.Error, path: Path) -> StoreError:
    # Extended codes contain the primary one in their low byte; the Python module's own errors have none.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return disk_full(path)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return read_only(path)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError(f"{path}: another process is using the database", "wait for it to end")
    if code == sqlite3.SQLITE_IOERR:
        return StoreError(
            f"{path}: the disk failed or is full; everything finished so far is kept",
            "free space or check the disk, then repeat the command to continue",
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return damaged(path, str(error))
    return StoreError(f"{path}: {error}", "run again with --debug")
