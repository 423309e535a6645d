"""Files that are whole or not there: written beside their place, synced, then renamed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

TEMPORARY_PREFIX = ".writing-"


def write_atomic(path: Path, content: bytes) -> Path:
    """Write ``content`` to ``path``. Raises OSError and leaves nothing behind then; a reader sees old or new, whole."""
    return write_with(path, lambda temporary: temporary.write_bytes(content))


def write_with(path: Path, write: Callable[[Path], object]) -> Path:
    """Let ``write`` make a file under a temporary name of the same suffix, then put it in its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with temporary_file(path.parent, path.suffix) as temporary:
        write(temporary)
        publish(temporary, path)
    return path


@contextmanager
def temporary_file(folder: Path, suffix: str) -> Iterator[Path]:
    """An empty file in ``folder`` that is gone afterwards, unless it was published."""
    handle, name = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, suffix=suffix, dir=folder)
    os.close(handle)
    try:
        # mkstemp makes files private; what is published should have the rights that any other new file has.
        os.chmod(name, 0o666 & ~_umask())
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def publish(temporary: Path, path: Path) -> None:
    """Sync a finished temporary file and rename it to ``path``; afterwards it survives a power cut."""
    _sync(temporary)
    os.replace(temporary, path)
    _sync(path.parent)


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
