"""Artifact files, named by the SHA-256 of their bytes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nova_bench.core.atomic_files import FULL, READ_ONLY, TEMPORARY_PREFIX, explain_os_error, publish, temporary_file
from nova_bench.core.batches import one_line
from nova_bench.core.identity import file_digest
from nova_bench.store.records import Artifact, Draft, FailedUnit

# Files of a batch are encoded and synced in parallel: most of the time is spent waiting for the disk, and a file system
# commits syncs that wait together at once.
WRITERS = 8
WAITING_PREFIX = ".waiting-"
"""Of the folders in which worker processes leave files for the writer."""


def write_drafts(root: Path, drafts: Sequence[Draft]) -> list[Artifact | FailedUnit]:
    """Write and sync the files of drafts under ``root``; results are in order.

    A draft that can't be encoded fails alone. Raises StoreError if the disk is full or can't be written.
    """
    with ThreadPoolExecutor(min(WRITERS, len(drafts) or 1), thread_name_prefix="write") as pool:
        return list(pool.map(lambda draft: _write_draft(root, draft), drafts))


def _write_draft(root: Path, draft: Draft) -> Artifact | FailedUnit:
    """Write ``root/ab/abcdef....suffix``, which is content-addressed: equal content is one file."""
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
        return FailedUnit(draft.unit, one_line(error), draft.failure(error))
    return Artifact(draft.unit, sha256, path, size, False, draft.seconds, draft.details)


def _storage_error(error: BaseException | None) -> OSError | None:
    """The full or unwritable disk behind an error, however an encoder wrapped it; None if the disk isn't the cause.

    Encoders raise their own exceptions, which share only ``errno`` with OSError.
    """
    while error is not None:
        code = getattr(error, "errno", None)
        if isinstance(error, OSError) or code in FULL or code in READ_ONLY:
            return error if isinstance(error, OSError) else OSError(code, str(error))
        error = error.__cause__
    return None


def content_path(root: Path, sha256: str, suffix: str) -> Path:
    """The path of the content with that digest."""
    # One string, not three joined paths: a run calls this for every sample.
    return Path(f"{root}/{sha256[:2]}/{sha256}{suffix}")


def remove_leftovers(root: Path, artifacts: Path) -> None:
    """Delete temporary files of killed processes in the store, among the artifacts and in the folders of runs.

    Files that a living process is writing, for example a `report`, are left alone. What workers of an earlier writer
    left for it goes, even if one of them still writes: only the writer, which is the caller now, could take it.
    """
    for room in artifacts.glob(f"{WAITING_PREFIX}*"):
        shutil.rmtree(room, ignore_errors=True)
    runs = [run for run in root.iterdir() if run.is_dir() and run != artifacts]
    patterns = [(root, ""), (artifacts, ""), *((run, "**/") for run in runs)]
    for folder, depth in patterns:
        for path in folder.glob(f"{depth}{TEMPORARY_PREFIX}*"):
            if not _is_alive(path):
                path.unlink(missing_ok=True)


def _is_alive(temporary: Path) -> bool:
    """Whether the process with the number in the file's name is running (or another that now has the number)."""
    number = temporary.name.removeprefix(TEMPORARY_PREFIX).partition("-")[0]
    try:
        os.kill(int(number), 0)
    except (ValueError, OverflowError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return int(number) != os.getpid()
