"""Joins stores, such as those of the parts of an array job."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from nova_bench.core.atomic_files import explained_os_errors
from nova_bench.core.errors import StoreError
from nova_bench.core.identity import file_digest
from nova_bench.store.records import Artifact, Draft, FailedUnit, Row, Status
from nova_bench.store.store import Store

BATCH = 64
"""Files that are copied, synced and recorded together."""


@dataclass(frozen=True)
class Merged:
    """What was taken from one store."""

    units: int
    rows: int
    other: tuple[str, ...]
    """Units of which both stores have a file, but not the same one; the target keeps its own, with its scores."""
    gone: tuple[Path, ...]
    """Files that the other store has lost; their scores are taken."""


def merge(target: Store, source: Store) -> Merged:
    """Copy into ``target`` every file and row of ``source`` that it lacks.

    A success replaces a failure; anything else in ``target`` stays. Each file is compared with its digest before it is
    copied. Interrupted, the same call continues. StoreError if a file is damaged or the disk is full.
    """
    made = rows = 0
    other: list[str] = []
    gone: list[Path] = []
    every = source.all_units()
    for start in range(0, len(every), BATCH):
        units = every[start : start + BATCH]
        theirs, ours = source.recorded_artifacts(units), target.recorded_artifacts(units)
        wanted = []
        for unit, found in theirs.items():
            known = ours.get(unit)
            if isinstance(found, Artifact) and isinstance(known, Artifact) and found.sha256 != known.sha256:
                other.append(unit)
            elif not isinstance(known, Artifact) and (known is None or isinstance(found, Artifact)):
                if isinstance(found, Artifact) and not found.path.exists():
                    gone.append(found.path)
                else:
                    wanted.append(found)
        target.add_units([_copied(unit) for unit in wanted])
        made += len(wanted)
    for identity in source.all_identities():
        known_rows = target.rows([identity])
        new = [row for key, row in source.rows([identity], details=True).items() if _adds(row, known_rows.get(key))]
        target.add_rows(new)
        rows += len(new)
    return Merged(made, rows, tuple(other), tuple(gone))


def _copied(unit: Artifact | FailedUnit) -> Draft | Artifact | FailedUnit:
    """What to record: a copy of a file that belongs to the store, after reading it once."""
    if isinstance(unit, FailedUnit) or unit.external:
        return unit
    with explained_os_errors(unit.path):
        if file_digest(unit.path) != unit.sha256:
            raise StoreError(
                f"{unit.path}: changed since it was recorded", "delete it, run its part again, and repeat the merge"
            )
    return Draft(unit.unit, unit.path.suffix, lambda path: shutil.copyfile(unit.path, path), unit.seconds, unit.details)


def _adds(row: Row, known: Row | None) -> bool:
    return known is None or (known.status == Status.FAILED and row.status != Status.FAILED)
