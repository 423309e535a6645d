"""Files of the store: written beside their place, synced, renamed; so a name never holds half a file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from nova_bench.identity import file_digest


def write_atomic(path: Path, content: bytes) -> Path:
    """Write ``content`` to ``path`` atomically and durably. Raises OSError; leaves nothing behind then."""
    return write_with(path, lambda temporary: temporary.write_bytes(content))


def write_with(path: Path, write: Callable[[Path], object]) -> Path:
    """Let ``write`` make a file under a temporary name with the same suffix, then put it in its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path.parent, path.suffix)
    try:
        write(temporary)
        _publish(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def add_content(root: Path, suffix: str, write: Callable[[Path], object]) -> tuple[str, Path, int]:
    """Let ``write`` make a file, and file it under the SHA-256 of its bytes.

    Returns digest, path and size. ``root/ab/abcdef....suffix`` is content-addressed: equal content is one file.
    """
    root.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(root, suffix)
    try:
        write(temporary)
        sha256 = file_digest(temporary)
        size = temporary.stat().st_size
        path = content_path(root, sha256, suffix)
        path.parent.mkdir(exist_ok=True)
        _publish(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return sha256, path, size


def content_path(root: Path, sha256: str, suffix: str) -> Path:
    """Where content of that digest lies."""
    return root / sha256[:2] / f"{sha256}{suffix}"


def remove_leftovers(root: Path) -> int:
    """Delete temporary files that a killed process left. Only the one writer of a store may call this."""
    leftovers = list(root.glob(".writing-*"))
    for path in leftovers:
        path.unlink(missing_ok=True)
    return len(leftovers)


def _temporary(folder: Path, suffix: str) -> Path:
    handle, name = tempfile.mkstemp(prefix=".writing-", suffix=suffix, dir=folder)
    os.close(handle)
    os.chmod(name, 0o666 & ~_umask())
    return Path(name)


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value


def _publish(temporary: Path, path: Path) -> None:
    _sync(temporary)
    os.replace(temporary, path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
