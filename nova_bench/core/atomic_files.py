"""Atomic file writes: a temporary file in the same folder is written, synced, then renamed."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nova_bench.core.errors import StoreError

TEMPORARY_PREFIX = ".writing-"
"""Followed by the number of the writing process, which tells a killed process's leftovers from work in progress."""
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


def write_atomic(path: Path, content: bytes) -> Path:
    """Write ``content`` to ``path``. A reader sees either the old file or the new one, never a part.

    Raises StoreError if the disk is full or read-only; nothing is left behind then.
    """
    return write_with(path, lambda temporary: temporary.write_bytes(content))


def write_with(path: Path, write: Callable[[Path], object]) -> Path:
    """Let ``write`` make a file under a temporary name with the same suffix, then rename it to ``path``."""
    with explained_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_file(path.parent, path.suffix) as temporary:
            write(temporary)
            publish(temporary, path)
    return path


@contextmanager
def temporary_file(folder: Path, suffix: str) -> Iterator[Path]:
    """An empty file in ``folder``, removed afterwards unless it was published. Raises OSError."""
    handle, name = tempfile.mkstemp(prefix=f"{TEMPORARY_PREFIX}{os.getpid()}-", suffix=suffix, dir=folder)
    os.close(handle)
    try:
        # mkstemp makes files private; a published file should have the permissions of any other new file.
        os.chmod(name, 0o666 & ~UMASK)
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def kept_file(folder: Path, suffix: str, write: Callable[[Path], object]) -> Path:
    """A temporary file with what ``write(path)`` writes, for another process to move away; none if it fails."""
    with temporary_file(folder, suffix) as path:
        write(path)
        ready = path.with_name(f"{path.stem}-ready{suffix}")
        os.replace(path, ready)
    return ready


def publish(temporary: Path, path: Path) -> None:
    """Sync a finished temporary file and rename it to ``path``; the result survives a power cut. Raises OSError."""
    _sync(temporary)
    os.replace(temporary, path)
    _sync(path.parent)


@contextmanager
def explained_os_errors(path: Path) -> Iterator[None]:
    """Turn an OSError while reading or writing ``path`` into a StoreError that says what to do."""
    try:
        yield
    except OSError as error:
        raise explain_os_error(error, path) from error


def explain_os_error(error: OSError, path: Path) -> StoreError:
    """The StoreError for an OSError while reading or writing ``path``."""
    if error.errno in FULL:
        return disk_full(path)
    if error.errno in READ_ONLY:
        return read_only(path)
    return StoreError(f"{path}: {error.strerror or error}", "check the path and the disk")


def disk_full(path: Path) -> StoreError:
    """The error for a full disk."""
    return StoreError(
        f"{path}: the disk is full; everything finished so far is kept",
        "free some space and repeat the command to continue",
    )


def read_only(path: Path) -> StoreError:
    """The error for a path that can't be written."""
    return StoreError(
        f"{path}: can't be written (read-only, or owned by another user)",
        "choose another --store FOLDER; `plan`, `store` and `report --out FOLDER` only read the store",
    )


def _read_umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value


# Read once: reading the umask means changing it for a moment, which threads that write files would notice.
UMASK = _read_umask()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
