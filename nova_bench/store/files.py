"""Artifact files: named by the SHA-256 of their bytes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nova_bench.atomic import FULL, READ_ONLY, TEMPORARY_PREFIX, explain_os_error, publish, temporary_file
from nova_bench.batches import one_line
from nova_bench.identity import file_digest
from nova_bench.store.records import Artifact, Draft, FailedUnit

# Files of a batch are encoded and synced side by side: most of the time goes into waiting for the disk, and a file
# system commits the syncs that wait together at once.
WRITERS = 8
# Temporary files in the folders of runs may belong to a `report` that is running right now, unless they are old.
ABANDONED_SECONDS = 24 * 3600


def write_drafts(root: Path, drafts: Sequence[Draft]) -> list[Artifact | FailedUnit]:
    """Make the files of drafts under ``root``, synced; in order.

    A draft whose file can't be encoded fails alone; StoreError where the disk can't take any more.
    """
    with ThreadPoolExecutor(min(WRITERS, len(drafts) or 1), thread_name_prefix="write") as pool:
        return list(pool.map(lambda draft: _write_draft(root, draft), drafts))


def _write_draft(root: Path, draft: Draft) -> Artifact | FailedUnit:
    """``root/ab/abcdef....suffix`` is content-addressed: equal content is one file."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        with temporary_file(root, draft.suffix) as temporary:
            draft.write(temporary)
            sha256 = file_digest(temporary)
            size = temporary.stat().st_size
            path = content_path(root, sha256, draft.suffix)
            path.parent.mkdir(exist_ok=True)
            publish(temporary, path)
    except Exception as error:
        if (reason := _storage_error(error)) is not None:
            raise explain_os_error(reason, root) from error
        return FailedUnit(draft.unit, one_line(error))
    return Artifact(draft.unit, sha256, path, size, False, draft.seconds, draft.details)


def _storage_error(error: BaseException | None) -> OSError | None:
    """The full or unwritable disk behind an error, however an encoder wrapped it; None where the disk is not at fault.

    Encoders have exceptions of their own; what they share with OSError is ``errno``.
    """
    while error is not None:
        code = getattr(error, "errno", None)
        if isinstance(error, OSError) or code in FULL or code in READ_ONLY:
            return error if isinstance(error, OSError) else OSError(code, str(error))
        error = error.__cause__
    return None


def content_path(root: Path, sha256: str, suffix: str) -> Path:
    """Where content of that digest lies."""
    # One string, not three joined paths: a run asks this for every sample.
    return Path(f"{root}/{sha256[:2]}/{sha256}{suffix}")


def remove_leftovers(root: Path, artifacts: Path) -> None:
    """Delete temporary files that a killed process left. Only the one writer of a store may call this."""
    for folder in (root, artifacts):
        for path in _temporary_files(folder, ""):
            path.unlink(missing_ok=True)
    for run in root.iterdir():
        if run != artifacts and run.is_dir():
            for path in _temporary_files(run, "**/"):
                if path.stat().st_mtime < time.time() - ABANDONED_SECONDS:
                    path.unlink(missing_ok=True)


def _temporary_files(folder: Path, depth: str) -> list[Path]:
    # Encoders put a dot of their own before the name of what they write.
    return [path for dot in ("", ".") for path in folder.glob(f"{depth}{dot}{TEMPORARY_PREFIX}*")]
