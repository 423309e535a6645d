"""File digests, remembered as long as nothing suggests that the file has changed."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from nova_bench.core.regular_files import open_regular, regular_status

GRAIN_NS = 3 * 10**9
"""No file system's clock is coarser: FAT counts in two seconds, older file systems in one."""
_TRIES = 3


class Stamp(NamedTuple):
    """What a file system records about a file's content. Only ``changed`` can't be set by whoever writes the file."""

    device: int
    inode: int
    size: int
    modified: int
    """Nanoseconds."""
    changed: int
    """Nanoseconds: when content, name or permissions last changed."""

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        """The stamp in a file's status."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    def __str__(self) -> str:
        """The text that is stored; inode numbers can exceed a database's integers."""
        return ":".join(map(str, self))

    def settled(self, now: int) -> bool:
        """Whether any later change must show in the stamp: the last one is older than the clock's resolution.

        A file changed twice within one tick has one date. A date in the future is not settled either.
        """
        return max(self.modified, self.changed) + GRAIN_NS < now


Recall = Callable[[str], tuple[str, str] | None]
"""Looks up an absolute path: the remembered stamp's text and SHA-256."""
Keep = Callable[[str, str, str], None]
"""Remembers (absolute path, the stamp's text, SHA-256)."""


class _Command:
    """What this command has read, and the state of `--rehash`: digests remembered by earlier ones don't count."""

    def __init__(self) -> None:
        self.distrusts = False
        self.read: dict[str, tuple[str, str]] = {}
        """Absolute path -> the stamp's text and SHA-256."""


_command = _Command()


@contextmanager
def distrusting(rehash: bool) -> Iterator[None]:
    """Inside, if ``rehash``, every file is read again before its digest is remembered again."""
    before = _command.distrusts
    _command.distrusts = before or rehash
    _command.read.clear()
    try:
        yield
    finally:
        _command.distrusts = before


def remembered_digest(path: Path, recall: Recall, keep: Keep) -> str:
    """SHA-256 of a regular file: the remembered one if the file's whole stamp is unchanged, else read and kept.

    Raises OSError if the file can't be read, isn't regular, or changes while it is read.
    """
    place = os.path.abspath(path)
    stamp = str(Stamp.of(regular_status(path)))
    recalled = recall(place)
    if recalled is not None and recalled[0] == stamp and not _command.distrusts:
        return recalled[1]
    sha256 = digest_once(path)
    read = _command.read.get(place)
    if read is not None and read != recalled:
        keep(place, *read)
    return sha256


def digest_once(path: Path) -> str:
    """SHA-256 of a regular file, read at most once in a command while the file's stamp is unchanged. Raises OSError."""
    place = os.path.abspath(path)
    read = _command.read.pop(place, None)
    if read is not None and read[0] == str(Stamp.of(regular_status(path))):
        _command.read[place] = read
        return read[1]
    sha256, stamp = stamped_digest(path)
    if stamp is not None:
        _command.read[place] = (str(stamp), sha256)
    return sha256


def stamped_digest(path: Path) -> tuple[str, Stamp | None]:
    """SHA-256 of a regular file as it is now, and the stamp to remember it by; None if the file is too young for that.

    A file that changes meanwhile is read again, a few times. Raises OSError.
    """
    for _ in range(_TRIES):
        now = time.time_ns()
        with open_regular(path) as stream:
            before = Stamp.of(os.fstat(stream.fileno()))
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            after = Stamp.of(os.fstat(stream.fileno()))
        if before == after == Stamp.of(regular_status(path)):
            return sha256, before if before.settled(now) else None
    raise OSError(errno.EBUSY, "changes while it is read", str(path))
