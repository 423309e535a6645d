"""The compiled code: built once with the machine's C compiler and kept in the user's cache folder."""

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
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

OFF = "NOVA_BENCH_SLICED"
"""Environment variable: ``0`` leaves all products to PyTorch."""
CHUNK = 6
"""Steps of 64 channels that are summed in one go: for 16 rows and outputs they fit the first-level cache."""

_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_LOG = logging.getLogger(__name__)
_HEADERS, _SOURCES = (sorted(Path(__file__).parent.glob(pattern)) for pattern in ("*.h", "*.c"))
_NEEDS = ("amx_tile", "amx_int8", "avx512f", "avx512bw", "avx512dq", "avx512vl", "fma")
_FLAGS = (
    *("-O3", "-shared", "-fPIC", f"-DCHUNK={CHUNK}"),
    *(f"-m{name.replace('_', '-')}" for name in _NEEDS),
)
_LONG, _POINTER, _INT, _FLOAT = ctypes.c_int64, ctypes.c_void_p, ctypes.c_int, ctypes.c_float
_RESULTS = {"sliced_prepare": _INT, "sliced_attention_room": _LONG}
_SIGNATURES = {
    "sliced_prepare": [],
    "sliced_large_pages": [_POINTER, _LONG],
    "sliced_rows": [_POINTER, _LONG, _LONG, _POINTER, _LONG, _POINTER, _INT],
    "sliced_images": [_POINTER, *[_LONG] * 9, _POINTER, _LONG, _POINTER, _POINTER, _INT],
    "sliced_frame": [_POINTER, *[_LONG] * 5, _FLOAT, _INT, _POINTER, _LONG, _INT],
    "sliced_lookup": [_POINTER, _LONG, _LONG, _LONG, _POINTER, _FLOAT, _LONG, _POINTER, _LONG, _INT],
    "sliced_attention_room": [_LONG],
    "sliced_group_norm": [_POINTER, *[_LONG] * 4, _POINTER, _POINTER, _FLOAT, _POINTER, _INT, _POINTER, _INT],
    "sliced_attention": [_POINTER, _POINTER, _POINTER, *[_LONG] * 5, _POINTER, _POINTER, _INT],
    "sliced_product": [
        *[_POINTER, *[_LONG] * 3, _POINTER, *[_LONG] * 5, _POINTER, _POINTER, _POINTER, _LONG],
        *[_POINTER, _POINTER, _LONG, _LONG, _INT, _INT, _INT],
    ],
}


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL | None:
    """The compiled functions; None if the CPU has no AMX, there is no C compiler, or :data:`OFF` says so."""
    if os.environ.get(OFF) == "0" or not set(_NEEDS) <= _cpu_flags():
        return None
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        _LOG.info("this CPU has AMX; with a C compiler (cc) VBench's networks would run two to three times as fast")
        return None
    try:
        loaded = ctypes.CDLL(str(_compiled(compiler)))
    except (OSError, subprocess.CalledProcessError) as error:
        _LOG.info("AMX is not used: %s", getattr(error, "stderr", None) or error)
        return None
    for name, arguments in _SIGNATURES.items():
        getattr(loaded, name).argtypes = arguments
        getattr(loaded, name).restype = _RESULTS.get(name)
    return loaded if loaded.sliced_prepare() == 0 else None


def required_library() -> ctypes.CDLL:
    """The compiled functions, for callers that run only if :func:`library` has them."""
    loaded = library()
    assert loaded is not None, "sliced layers are only made where there is a library"
    return loaded


def _cpu_flags() -> set[str]:
    """The processor's features, by Linux's names; empty on other systems, where tile registers aren't requested."""
    if platform.system() != "Linux":
        return set()
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((set(line.partition(":")[2].split()) for line in lines if line.startswith("flags")), set())


def _compiled(compiler: str) -> Path:
    """The shared library of these sources, compiled if it doesn't exist. Raises the errors of compiling or writing."""
    source = b"".join(path.read_bytes() for path in (*_HEADERS, *_SOURCES))
    name = hashlib.sha256(source + repr((compiler, _FLAGS)).encode()).hexdigest()[:16]
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(base, "nova_bench", "compiled", f"sliced-{name}.so")
    try:
        _make_private(path.parent)
        if not _is_ours(path):
            with tempfile.TemporaryDirectory(prefix=".building-", dir=path.parent) as folder:
                _compile(compiler, Path(folder, path.name))
                os.replace(Path(folder, path.name), path)
    except OSError:
        # Nothing that others could have put there is ever loaded: this process makes its own copy.
        own = tempfile.mkdtemp(prefix="nova_bench-")
        atexit.register(shutil.rmtree, own, ignore_errors=True)
        path = Path(own, path.name)
        _compile(compiler, path)
    return path


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


def _compile(compiler: str, path: Path) -> None:
    command = [compiler, *_FLAGS, *map(str, _SOURCES), "-o", str(path)]
    try:
        subprocess.run([*command, "-fopenmp"], check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError:  # some compilers lack OpenMP: one thread is still faster
        subprocess.run(command, check=True, capture_output=True, text=True)
