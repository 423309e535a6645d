"""Opens regular files only: refuses pipes, sockets, devices and the kernel's pseudo-files before opening them."""

from __future__ import annotations

import errno
import io
import os
import stat
from functools import lru_cache
from pathlib import Path

NOT_REGULAR = "not a regular file"
# File systems whose "regular" files are queries to the kernel: reading /proc/kmsg waits for the kernel's next message.
_PSEUDO = frozenset(["proc", "sysfs", "debugfs", "tracefs", "configfs", "securityfs", "cgroup", "cgroup2", "pstore"])


class NotRegular(OSError):
    """A path that isn't a regular file; an OSError, since readers expect those."""

    def __init__(self, path: Path | str):
        super().__init__(errno.EINVAL, NOT_REGULAR, str(path))


def regular_status(path: Path | str) -> os.stat_result:
    """The status of a regular file, following links; nothing is opened.

    Raises NotRegular for a folder, pipe, socket, device or pseudo-file, and any other OSError if there is no file.
    """
    status = os.stat(path)
    # Files of pseudo file systems occupy no blocks; few others do, so that the mounts are rarely read.
    if not stat.S_ISREG(status.st_mode) or (status.st_blocks == 0 and status.st_dev in _pseudo_devices()):
        raise NotRegular(path)
    return status


def is_regular(path: Path | str) -> bool:
    """Whether ``path`` is a regular file whose status can be read."""
    try:
        regular_status(path)
    except OSError:
        return False
    return True


def open_regular(path: Path | str) -> io.BufferedReader:
    """Open a regular file for reading, as bytes. Raises NotRegular before opening anything else, or another OSError.

    If a pipe replaces the file in between, opening it doesn't wait either.
    """
    regular_status(path)
    stream = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise NotRegular(path)
    return stream


def why_unread(error: Exception) -> str:
    """Why a file couldn't be read; the message around it names the file."""
    return getattr(error, "strerror", None) or str(error)


def read_text(path: Path) -> str:
    """The text of a regular UTF-8 file, without its byte order mark. Raises OSError or UnicodeDecodeError."""
    with open_regular(path) as stream:
        return io.TextIOWrapper(stream, encoding="utf-8-sig").read()


@lru_cache(maxsize=1)
def _pseudo_devices() -> frozenset[int]:
    """Device numbers of the mounted pseudo file systems; empty if the system doesn't list its mounts."""
    devices = set()
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
            for line in mounts:
                # "36 35 98:0 /root /mount options - type source options": the third field is the device.
                before, _, after = line.partition(" - ")
                if after.split(" ", 1)[0] in _PSEUDO:
                    major, _, minor = before.split()[2].partition(":")
                    devices.add(os.makedev(int(major), int(minor)))
    except (OSError, ValueError, IndexError):
        pass
    return frozenset(devices)
