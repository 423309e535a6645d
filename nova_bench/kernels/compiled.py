"""Code in C that is built once with the machine's compiler and kept in the user's cache folder."""

from __future__ import annotations

import atexit
import ctypes
import errno
import hashlib
import logging
import os
import platform
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LONG, POINTER, INT, FLOAT = ctypes.c_int64, ctypes.c_void_p, ctypes.c_int, ctypes.c_float

_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sources:
    """The C files of one library: what they are called in messages, and what the processor must have."""

    name: str
    what: str
    folder: Path
    needs: tuple[str, ...]  # the processor's features, by Linux's names
    off: str  # environment variable: 0 means that the library isn't used
    defines: tuple[str, ...] = ()

    def load(self, signatures: Mapping[str, Sequence[Any]], results: Mapping[str, Any]) -> ctypes.CDLL | None:
        """The compiled functions; None if the CPU lacks something, there is no C compiler, or :attr:`off` says so."""
        if os.environ.get(self.off) == "0" or not set(self.needs) <= _cpu_flags():
            return None
        compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            _LOG.info(
                "this CPU has %s; with a C compiler (cc) VBench's networks would run up to three times as fast",
                self.what,
            )
            return None
        try:
            loaded = ctypes.CDLL(str(self.compiled(compiler)))
        except (OSError, subprocess.CalledProcessError) as error:
            _LOG.info("%s is not used: %s", self.what, getattr(error, "stderr", None) or error)
            return None
        for name, arguments in signatures.items():
            getattr(loaded, name).argtypes = arguments
            getattr(loaded, name).restype = results.get(name)
        return loaded

    def compiled(self, compiler: str) -> Path:
        """The library's file, built if it doesn't exist. Raises the errors of compiling or writing."""
        headers = sorted((*self.folder.parent.glob("*.h"), *self.folder.glob("*.h")))
        files = sorted(self.folder.glob("*.c"))
        features = (f"-m{name.replace('_', '-')}" for name in self.needs)
        command = (compiler, "-O3", "-shared", "-fPIC", *self.defines, *features)
        source = b"".join(path.read_bytes() for path in (*headers, *files))
        name = hashlib.sha256(source + repr(command).encode()).hexdigest()[:16]
        command += tuple(map(str, files))
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        path = Path(base, "nova_bench", "compiled", f"{self.name}-{name}.so")
        try:
            _make_private(path.parent)
            if not _is_ours(path):
                with tempfile.TemporaryDirectory(prefix=".building-", dir=path.parent) as folder:
                    _compile(command, Path(folder, path.name))
                    os.replace(Path(folder, path.name), path)
        except OSError:
            # Nothing that others could have put there is ever loaded: this process makes its own copy.
            own = tempfile.mkdtemp(prefix="nova_bench-")
            atexit.register(shutil.rmtree, own, ignore_errors=True)
            path = Path(own, path.name)
            _compile(command, path)
        return path


def _cpu_flags() -> set[str]:
    """The processor's features, by Linux's names; empty on other systems, where tile registers aren't requested."""
    if platform.system() != "Linux":
        return set()
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((set(line.partition(":")[2].split()) for line in lines if line.startswith("flags")), set())


def _make_private(folder: Path) -> None:
    """Make sure that only this user can put anything into ``folder``. Raises OSError if others can."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    above, here = os.stat(folder.parent), os.lstat(folder)
    if above.st_uid not in (0, os.getuid()) or (above.st_mode & _BY_OTHERS and not above.st_mode & stat.S_ISVTX):
        raise PermissionError(errno.EPERM, "other users can replace its content", str(folder.parent))
    if not stat.S_ISDIR(here.st_mode) or here.st_uid != os.getuid():
        raise PermissionError(errno.EPERM, "not a folder of this user", str(folder))
    if here.st_mode & 0o077:
        os.chmod(folder, 0o700)
    if here.st_mode & _BY_OTHERS:  # its content may be anybody's
        for path in folder.glob("*.so"):
            path.unlink()


def _is_ours(path: Path) -> bool:
    """Whether ``path`` is a file that only this user could have written."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & _BY_OTHERS


def _compile(command: Sequence[str], path: Path) -> None:
    command = [*command, "-o", str(path)]
    try:
        subprocess.run([*command, "-fopenmp"], check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError:  # some compilers lack OpenMP: one thread is still faster
        subprocess.run(command, check=True, capture_output=True, text=True)
