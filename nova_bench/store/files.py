"""Artifact files: named by the SHA-256 of their bytes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nova_bench.core.atomic_files import FULL, READ_ONLY, TEMPORARY_PREFIX, explain_os_error, publish, temporary_file
from nova_bench.core.batches import one_line
from nova_bench.core.identity import file_digest
from nova_bench.store.records import Artifact, Draft, FailedUnit

# Files of a batch are encoded and synced side by side: most of the time goes into waiting for the disk, and a file
# system commits the syncs that wait together at once.
WRITERS = 8


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
        return FailedUnit(draft.unit, one_line(error), draft.failure(error))
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
    """Delete temporary files that killed processes left in the store, in the artifacts and in the folders of runs.

    What a living process is writing, a `report` for example, is left alone.
    """
    runs = [run for run in root.iterdir() if run.is_dir() and run != artifacts]
    patterns = [(root, ""), (artifacts, ""), *((run, "**/") for run in runs)]
    for folder, depth in patterns:
        for path in folder.glob(f"{depth}{TEMPORARY_PREFIX}*"):
            if not _is_alive(path):
                path.unlink(missing_ok=True)


def _is_alive(temporary: Path) -> bool:
    """Whether the process whose number is in the file's name still runs (or another of that number by now)."""
    number = temporary.name.removeprefix(TEMPORARY_PREFIX).partition("-")[0]
    try:
        os.kill(int(number), 0)
    except (ValueError, OverflowError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return int(number) != os.getpid()
