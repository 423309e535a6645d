"""The compiled code: made once with the C compiler of the machine, kept in the user's cache folder."""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

from nova_bench.atomic import write_with
from nova_bench.errors import StoreError

OFF = "NOVA_BENCH_SLICED"
"""Environment variable: ``0`` leaves all products to PyTorch."""
CHUNK = 6
"""Steps of 64 channels whose sums are made in one go: what of 16 rows and outputs fits the first-level cache."""

_LOG = logging.getLogger(__name__)
_HEADERS, _SOURCES = (sorted(Path(__file__).parent.glob(pattern)) for pattern in ("*.h", "*.c"))
_NEEDS = ("amx_tile", "amx_int8", "avx512f", "avx512bw", "avx512dq", "avx512vl", "fma")
_FLAGS = (
    *("-O3", "-shared", "-fPIC", "-fopenmp", f"-DCHUNK={CHUNK}"),
    *(f"-m{name.replace('_', '-')}" for name in _NEEDS),
)
_LONG, _POINTER, _INT, _FLOAT = ctypes.c_int64, ctypes.c_void_p, ctypes.c_int, ctypes.c_float
_RESULTS = {"sliced_prepare": _INT, "sliced_attention_room": _LONG}
_SIGNATURES = {
    "sliced_prepare": [],
    "sliced_large_pages": [_POINTER, _LONG],
    "sliced_rows": [_POINTER, _LONG, _LONG, _POINTER, _LONG, _POINTER, _INT],
    "sliced_images": [_POINTER, *[_LONG] * 9, _POINTER, _LONG, _POINTER, _POINTER, _INT],
    "sliced_lookup": [_POINTER, _LONG, _LONG, _LONG, _POINTER, _FLOAT, _LONG, _POINTER, _LONG, _INT],
    "sliced_attention_room": [_LONG],
    "sliced_group_norm": [_POINTER, *[_LONG] * 4, _POINTER, _POINTER, _FLOAT, _POINTER, _INT, _POINTER, _INT],
    "sliced_attention": [_POINTER, _POINTER, _POINTER, *[_LONG] * 4, _POINTER, _POINTER, _INT],
    "sliced_product": [
        *[_POINTER, *[_LONG] * 3, _POINTER, *[_LONG] * 5, _POINTER, _POINTER, _POINTER, _LONG],
        *[_POINTER, _POINTER, _LONG, _LONG, _INT, _INT],
    ],
}


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL | None:
    """The compiled functions; None where the CPU has no AMX, there is no C compiler, or :data:`OFF` says so."""
    if os.environ.get(OFF) == "0" or not set(_NEEDS) <= _cpu_flags():
        return None
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        _LOG.info("this CPU has AMX; with a C compiler (cc) VBench's networks would run about twice as fast")
        return None
    try:
        loaded = ctypes.CDLL(str(_compiled(compiler)))
    except (OSError, StoreError, subprocess.CalledProcessError) as error:
        _LOG.info("AMX is not used: %s", getattr(error, "stderr", None) or error)
        return None
    for name, arguments in _SIGNATURES.items():
        getattr(loaded, name).argtypes = arguments
        getattr(loaded, name).restype = _RESULTS.get(name)
    return loaded if loaded.sliced_prepare() == 0 else None


def _cpu_flags() -> set[str]:
    """What the processor can do, by Linux's names; nothing on other systems, whose tile registers are not asked for."""
    if platform.system() != "Linux":
        return set()
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((set(line.partition(":")[2].split()) for line in lines if line.startswith("flags")), set())


def _compiled(compiler: str) -> Path:
    """The shared library of these sources, compiled if it isn't there. Raises what compiling or writing raises."""
    source = b"".join(path.read_bytes() for path in (*_HEADERS, *_SOURCES))
    name = hashlib.sha256(source + repr((compiler, _FLAGS)).encode()).hexdigest()[:16]
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(base, "nova_bench", "compiled", f"sliced-{name}.so")
    if not path.exists():
        write_with(path, lambda temporary: _compile(compiler, temporary))
    return path


def _compile(compiler: str, path: Path) -> None:
    command = [compiler, *_FLAGS, *map(str, _SOURCES), "-o", str(path)]
    subprocess.run(command, check=True, capture_output=True, text=True)
