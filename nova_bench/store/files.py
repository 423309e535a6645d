"""Artifact files: named by the SHA-256 of their bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nova_bench.atomic import TEMPORARY_PREFIX, publish, temporary_file
from nova_bench.identity import file_digest


def add_content(root: Path, suffix: str, write: Callable[[Path], object]) -> tuple[str, Path, int]:
    """Let ``write`` make a file, and file it under the SHA-256 of its bytes.

    Returns digest, path and size. ``root/ab/abcdef....suffix`` is content-addressed: equal content is one file.
    """
    root.mkdir(parents=True, exist_ok=True)
    with temporary_file(root, suffix) as temporary:
        write(temporary)
        sha256 = file_digest(temporary)
        size = temporary.stat().st_size
        path = content_path(root, sha256, suffix)
        path.parent.mkdir(exist_ok=True)
        publish(temporary, path)
    return sha256, path, size


def content_path(root: Path, sha256: str, suffix: str) -> Path:
    """Where content of that digest lies."""
    return root / sha256[:2] / f"{sha256}{suffix}"


def remove_leftovers(root: Path) -> None:
    """Delete temporary files that a killed process left. Only the one writer of a store may call this."""
    for path in root.glob(f"{TEMPORARY_PREFIX}*"):
        path.unlink(missing_ok=True)
