"""The store as the rest of the program sees it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nova_bench.core.atomic_files import UMASK, explained_os_errors, write_atomic, write_with
from nova_bench.core.errors import StoreError
from nova_bench.core.identity import file_digest
from nova_bench.core.notices import Notice
from nova_bench.core.regular_files import open_regular
from nova_bench.core.remembered_digests import remembered_digest
from nova_bench.store import database, files, journal
from nova_bench.store.lock import WriterLock
from nova_bench.store.records import Artifact, Draft, FailedUnit, Row, Status
from nova_bench.video.frame_folder import FOLDER_FPS, with_frame_folders
from nova_bench.video.limits import MediaLimits

DATABASE = "store.sqlite"
BACKUP = "store.backup.sqlite"
ARTIFACTS = "artifacts"
PREVIEWS = "previews"
# SQLite allows at least 32766 parameters per statement; this leaves room and keeps statements cacheable.
LOOKUP = 500
# Calling an enumeration is ten times as slow, which matters for hundreds of thousands of rows.
STATUSES = {status.value: status for status in Status}


@dataclass(frozen=True)
class StoredRun:
    """A run as it was planned: enough to rebuild every table without the model."""

    run: str
    name: str
    suite: dict[str, Any]
    scorers: list[dict[str, Any]]
    units: list[dict[str, Any]]
    created: str


class Store:
    """A folder with `store.sqlite`, `artifacts/` and one folder per run.

    Open with :meth:`writer` (one at a time) or :meth:`reader`; both are context managers. Every method raises
    StoreError with a remedy for a full disk, a read-only or a damaged store.
    """

    def __init__(self, root: Path, write: bool):
        self.root = root
        self._path = root / DATABASE
        self._lock = None
        self._timings: dict[tuple[str, str, str], tuple[int, float]] = {}
        if not write:
            self._connection = database.open_to_read(self._path)
            return
        with database.explained(root):
            root.mkdir(parents=True, exist_ok=True)
        self._lock = WriterLock(root)
        try:
            if not self._has_history() and database.is_empty(self._path):
                database.create(self._path)
            elif not self._path.exists():
                raise database.damaged(self._path, "it is missing")
            self._connection = database.open_to_write(self._path)
            with database.explained(root):
                files.remove_leftovers(root, self._artifacts)
            self.from_journal = self._enter_journal()
            """Videos whose commit was lost in a kill or a power cut."""
        except BaseException:
            self._lock.release()
            raise

    @classmethod
    @contextmanager
    def writer(cls, root: Path) -> Iterator[Store]:
        """Open for writing. A second writer is refused with a StoreError that names the first."""
        with cls._opened(root, write=True) as store:
            yield store

    @classmethod
    @contextmanager
    def reader(cls, root: Path) -> Iterator[Store]:
        """Open for reading; works beside a writer and on read-only media."""
        with cls._opened(root, write=False) as store:
            yield store

    @classmethod
    @contextmanager
    def _opened(cls, root: Path, write: bool) -> Iterator[Store]:
        store = cls(root, write)
        try:
            yield store
        finally:
            store.close()

    @staticmethod
    def exists(root: Path) -> bool:
        """Whether there is a store in that folder."""
        return (root / DATABASE).is_file()

    def close(self) -> None:
        """Close the database and let the next writer in."""
        # Timings only improve an estimate; writing them must not hide the error that ends a run on a full disk.
        with suppress(StoreError):
            self._flush_timings()
        self._connection.close()
        if self._lock:
            self._lock.release()

    @contextmanager
    def waiting_room(self) -> Iterator[Path]:
        """A new folder in which worker processes put files that the store will take; removed afterwards.

        Its path is absolute. A writer that is killed leaves it to the next one. StoreError if it can't be made.
        """
        with explained_os_errors(self._artifacts):
            self._artifacts.mkdir(parents=True, exist_ok=True)
            room = Path(tempfile.mkdtemp(prefix=files.WAITING_PREFIX, dir=self._artifacts.absolute()))
            room.chmod(0o777 & ~UMASK)  # workers on other machines may be other users
        try:
            yield room
        finally:
            shutil.rmtree(room, ignore_errors=True)

    @property
    def _artifacts(self) -> Path:
        return self.root / ARTIFACTS

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit everything or nothing."""
        with database.explained(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._write_timings()
                self._connection.execute(database.LAST_CHANGE, [secrets.token_hex(16)])
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            self._timings.clear()

    def _has_history(self) -> bool:
        """Whether a database existed before: its absence is then a loss, and no new one is created silently."""
        return (self.root / BACKUP).exists() or (self._artifacts / journal.JOURNAL).exists()

    def _enter_journal(self) -> int:
        # Commits follow the journal's order: if the last line is in the database, so are all.
        with database.explained(self._artifacts):
            last = journal.last_entry(self._artifacts)
        return 0 if last is None or last.unit in self._recorded([last.unit]) else self.record_journal()

    def run_folder(self, name: str) -> Path:
        """The folder of a run's manifest, log and report; created if it doesn't exist."""
        with database.explained(self.root):
            (self.root / name).mkdir(exist_ok=True)
        return self.root / name

    # Artifacts ------------------------------------------------------------------------------------------------------

    def artifacts(self, units: Iterable[str]) -> dict[str, Artifact | FailedUnit]:
        """What exists of these units. An artifact whose file is missing or has another size is left out."""
        recorded = self.recorded_artifacts(units).items()
        return {unit: a for unit, a in recorded if isinstance(a, FailedUnit) or _size(str(a.path)) == a.size}

    def recorded_artifacts(self, units: Iterable[str]) -> dict[str, Artifact | FailedUnit]:
        """What was made of these units, even if the files are gone: their scores remain."""
        found: dict[str, Artifact | FailedUnit] = {}
        for record in self._lookup("SELECT * FROM artifacts WHERE unit IN", units):
            unit, status, sha256, suffix, external, size, error, details, seconds, _ = record
            if status == Status.FAILED:
                found[unit] = FailedUnit(unit, error, json.loads(details))
                continue
            path = Path(external) if external else files.content_path(self._artifacts, sha256, suffix)
            found[unit] = Artifact(unit, sha256, path, size, bool(external), seconds, json.loads(details))
        return found

    def all_units(self) -> list[str]:
        """Every unit that was made or failed."""
        return [unit for (unit,) in self._all("SELECT unit FROM artifacts ORDER BY unit")]

    def add_units(self, batch: Sequence[Draft | Artifact | FailedUnit]) -> list[Artifact | FailedUnit]:
        """Write the files of drafts, then record the whole batch at once; results are in order.

        A draft that can't be encoded becomes a FailedUnit. When this returns, files and journal are synced: the batch
        survives a power cut. An Artifact in ``batch`` is a file that stays where the user keeps it.
        """
        drafts = [entry for entry in batch if isinstance(entry, Draft)]
        written = iter(files.write_drafts(self._artifacts, drafts))
        units = [next(written) if isinstance(entry, Draft) else entry for entry in batch]
        with database.explained(self._artifacts):
            # The journal comes first: if the database is lost, the videos can still be matched with their units.
            journal.append(self._artifacts, (u for u in units if isinstance(u, Artifact) and not u.external))
        self._record(units)
        return units

    def record_journal(self) -> int:
        """Record every video that is in the journal but not in the database; returns how many."""
        with database.explained(self._artifacts):
            entries = journal.replay(self._artifacts)
        recorded = self._recorded(entries)
        new = [artifact for unit, artifact in entries.items() if unit not in recorded]
        self._record(new)
        return len(new)

    def _recorded(self, units: Iterable[str]) -> set[str]:
        query = f"SELECT unit FROM artifacts WHERE status = '{Status.OK}' AND unit IN"
        return {unit for (unit,) in self._lookup(query, units)}

    def _record(self, units: Iterable[Artifact | FailedUnit]) -> None:
        now = _now()
        records = [
            (unit.unit, Status.FAILED, "", "", "", 0, unit.error, _json(unit.details), 0.0, now)
            if isinstance(unit, FailedUnit)
            else (
                unit.unit,
                Status.OK,
                unit.sha256,
                unit.path.suffix,
                str(unit.path) if unit.external else "",
                unit.size,
                "",
                _json(unit.details),
                unit.seconds,
                now,
            )
            for unit in units
        ]
        if records:
            with self._transaction() as connection:
                connection.executemany(f"INSERT OR REPLACE INTO artifacts VALUES ({_marks(records[0])})", records)

    def verify(self) -> Iterator[tuple[Path, str]]:
        """Read every artifact again; yields (path, problem) for each whose bytes don't match its digest."""
        query = "SELECT sha256, suffix, external, details FROM artifacts WHERE status = ?"
        for sha256, suffix, external, details in self._all(query, [Status.OK]):
            limits = MediaLimits(folder_fps=json.loads(details).get(FOLDER_FPS))
            path = Path(external) if external else files.content_path(self._artifacts, sha256, suffix)
            try:
                if with_frame_folders(file_digest, limits)(path) != sha256:
                    yield path, "changed since it was recorded"
            except OSError as error:
                yield path, error.strerror or str(error)

    # Previews -------------------------------------------------------------------------------------------------------

    def preview(self, key: str) -> bytes | None:
        """A stored preview; None if there is none."""
        try:
            with open_regular(files.content_path(self.root / PREVIEWS, key, "")) as stream:
                return stream.read()
        except OSError:
            return None

    def keep_preview(self, key: str, content: bytes) -> None:
        """Keep a small picture of what was scored, if the store can be written; readers may do so too."""
        with suppress(StoreError):
            write_atomic(files.content_path(self.root / PREVIEWS, key, ""), content)

    # Rows -----------------------------------------------------------------------------------------------------------

    def rows(self, identities: Iterable[str], details: bool = False) -> dict[tuple[str, str, str], Row]:
        """All rows of these scorer identities by key; ``details`` are large and read only on request."""
        columns = "artifact, identity, inputs, scorer, version, status, value, weight, message, seconds"
        if details:
            columns += ", details"
        rows = {}
        for record in self._lookup(f"SELECT {columns} FROM rows WHERE identity IN", identities):
            artifact, identity, inputs, scorer, version, status, value, weight, message, seconds, *rest = record
            extra = json.loads(rest[0]) if rest else {}
            row = Row(
                artifact, identity, inputs, scorer, version, STATUSES[status], value, weight, message, extra, seconds
            )
            rows[row.key] = row
        return rows

    def all_identities(self) -> list[str]:
        """The identity of every scorer that has rows."""
        return [identity for (identity,) in self._all("SELECT DISTINCT identity FROM rows ORDER BY identity")]

    def failure_details(self, identities: Iterable[str]) -> dict[tuple[str, str, str], dict[str, Any]]:
        """The details of failed rows of these scorer identities, by key."""
        query = f"SELECT artifact, identity, inputs, details FROM rows WHERE status = '{Status.FAILED}' AND identity IN"
        return {tuple(key): json.loads(details) for *key, details in self._lookup(query, identities)}

    def add_rows(self, rows: Iterable[Row]) -> None:
        """Write rows in one transaction; a row with the same key is replaced."""
        now = _now()
        records = [
            (
                row.artifact,
                row.identity,
                row.inputs,
                row.scorer,
                row.version,
                row.status,
                row.value,
                row.weight,
                row.message,
                _json(row.details),
                row.seconds,
                now,
            )
            for row in rows
        ]
        if records:
            with self._transaction() as connection:
                connection.executemany(f"INSERT OR REPLACE INTO rows VALUES ({_marks(records[0])})", records)

    # Runs -----------------------------------------------------------------------------------------------------------

    def add_run(self, run: StoredRun) -> None:
        """Record what a run consists of. An existing run keeps its date and takes the new suite text."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO runs VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (run) DO UPDATE SET suite = excluded.suite, scorers = excluded.scorers "
                "WHERE (suite, scorers) <> (excluded.suite, excluded.scorers)",
                (run.run, run.name, json.dumps(run.suite), json.dumps(run.scorers), run.created),
            )
            connection.executemany(
                "INSERT INTO run_units VALUES (?, ?, ?, ?) ON CONFLICT (run, position) DO UPDATE "
                "SET unit = excluded.unit, record = excluded.record WHERE record <> excluded.record",
                ((run.run, index, unit["digest"], json.dumps(unit)) for index, unit in enumerate(run.units)),
            )

    def run_names(self) -> list[tuple[str, str, str]]:
        """(name, run id, created) of every run, newest first; within one second, the last recorded first."""
        return list(self._all("SELECT name, run, created FROM runs ORDER BY created DESC, rowid DESC"))

    def run_summaries(self) -> list[tuple[str, dict[str, Any], str, int]]:
        """(name, suite, created, number of samples) of every run, newest first."""
        found = self._all(
            "SELECT name, suite, created, (SELECT COUNT(*) FROM run_units WHERE run_units.run = runs.run) FROM runs "
            "ORDER BY created DESC, rowid DESC"
        )
        return [(name, json.loads(suite), created, count) for name, suite, created, count in found]

    def run(self, name: str) -> StoredRun:
        """A run by its name or id. Raises StoreError if there is none."""
        found = list(self._all("SELECT * FROM runs WHERE name = ? OR run = ?", [name, name]))
        if not found:
            known = ", ".join(known for known, *_ in self.run_names()[:5]) or "none yet"
            raise StoreError(f"{self.root}: no run {name!r}", f"runs here: {known}")
        run, run_name, suite, scorers, created = found[0]
        units = self._all("SELECT record FROM run_units WHERE run = ? ORDER BY position", [run])
        return StoredRun(
            run, run_name, json.loads(suite), json.loads(scorers), [json.loads(unit) for (unit,) in units], created
        )

    def has_run(self, run: str) -> bool:
        """Whether there is a run with this id."""
        return any(self._all("SELECT 1 FROM runs WHERE run = ?", [run]))

    def set_notices(self, run: str, notices: Iterable[Notice]) -> None:
        """Replace the notices from planning a run."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM notices WHERE run = ? AND planned", [run])
        self._add_notices(run, notices, planned=True)

    def add_notices(self, run: str, notices: Iterable[Notice]) -> None:
        """Add notices from working on a run: a later run need not repeat that work."""
        self._add_notices(run, notices, planned=False)

    def _add_notices(self, run: str, notices: Iterable[Notice], planned: bool) -> None:
        records = [(run, planned, notice.text, json.dumps(notice.names)) for notice in notices]
        if records:
            with self._transaction() as connection:
                connection.executemany("INSERT OR IGNORE INTO notices VALUES (?, ?, ?, ?)", records)

    def notices(self, run: str) -> list[Notice]:
        """The notices of a run, in order; empty in a store older than notices."""
        if not database.has_table(self._connection, "notices"):
            return []
        query = "SELECT text, names FROM notices WHERE run = ? ORDER BY planned DESC, rowid"
        return [Notice(text, tuple(json.loads(names))) for text, names in self._all(query, [run])]

    # Timings and file digests ---------------------------------------------------------------------------------------

    def add_timing(self, stage: str, what: str, device: str, items: int, seconds: float) -> None:
        """Add to the running totals from which `plan` estimates time; written with the next write."""
        items_before, seconds_before = self._timings.get((stage, what, device), (0, 0.0))
        self._timings[stage, what, device] = items_before + items, seconds_before + seconds

    def _flush_timings(self) -> None:
        if self._timings:
            with self._transaction():
                pass

    def _write_timings(self) -> None:
        self._connection.executemany(
            "INSERT INTO timings VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
            "items = items + excluded.items, seconds = seconds + excluded.seconds",
            [(*key, *totals) for key, totals in self._timings.items()],
        )

    def seconds_per_item(self) -> dict[tuple[str, str, str], float]:
        """(stage, what, device) -> mean seconds."""
        query = "SELECT stage, what, device, seconds / items FROM timings WHERE items > 0"
        return {(stage, what, device): seconds for stage, what, device, seconds in self._all(query)}

    def mean_artifact_size(self) -> float | None:
        """Mean bytes of the artifacts that the store itself holds; None without any."""
        return next(self._all("SELECT avg(size) FROM artifacts WHERE status = 'ok' AND external = ''"))[0]

    def file_digest(self, path: Path) -> str:
        """SHA-256 of a file, remembered as in :func:`remembered_digest`. Raises OSError."""
        return remembered_digest(path, self._recall_digest, self._keep_digest)

    def _recall_digest(self, path: str) -> tuple[str, str] | None:
        if not database.has_table(self._connection, "remembered_digests"):
            return None
        return next(self._all("SELECT stamp, sha256 FROM remembered_digests WHERE path = ?", [path]), None)

    def _keep_digest(self, path: str, stamp: str, sha256: str) -> None:
        if self._lock:
            with self._transaction() as connection:
                connection.execute("INSERT OR REPLACE INTO remembered_digests VALUES (?, ?, ?)", (path, stamp, sha256))

    # Backup ---------------------------------------------------------------------------------------------------------

    def back_up(self) -> None:
        """Copy the database to `store.backup.sqlite`, atomically; `store restore` puts it back.

        A backup that already has the last change stays, whatever its date.
        """
        backup = self.root / BACKUP

        def copy(temporary: Path) -> None:
            target = sqlite3.connect(temporary)
            try:
                # The file is synced as a whole before it is renamed; until then it needs no safety of its own.
                target.execute("PRAGMA synchronous=OFF")
                self._connection.backup(target)
                target.execute("PRAGMA journal_mode=DELETE")
            finally:
                target.close()

        self._flush_timings()
        with database.explained(backup):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            if _last_change_in(backup) == (database.last_change(self._connection) or None):
                return
            write_with(backup, copy)

    # Queries --------------------------------------------------------------------------------------------------------

    def _all(self, query: str, parameters: Iterable[Any] = ()) -> Iterator[tuple]:
        with database.explained(self._path):
            yield from self._connection.execute(query, tuple(parameters))

    def _lookup(self, query: str, keys: Iterable[str]) -> Iterator[tuple]:
        keys = list(keys)
        for start in range(0, len(keys), LOOKUP):
            part = keys[start : start + LOOKUP]
            yield from self._all(f"{query} ({_marks(part)})", part)


def _last_change_in(backup: Path) -> str | None:
    """The last change in a backup; None if there is no readable backup."""
    try:
        connection = database.open_to_read(backup)
    except StoreError:
        return None
    try:
        return database.last_change(connection)
    finally:
        connection.close()


def stored_run(run: str, name: str, suite: dict, scorers: list[dict], units: list[dict]) -> StoredRun:
    """A run to record, with today's date."""
    return StoredRun(run, name, suite, scorers, units, _now())


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size
    except OSError:
        return None


def _json(details: dict[str, Any]) -> str:
    """What adapters and scorers report beside their result; values unknown to JSON become text."""
    return json.dumps(details, default=str)


def _marks(values: Iterable[Any]) -> str:
    return ", ".join("?" for _ in values)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
