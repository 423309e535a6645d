"""The compiled code for CPUs with AVX-512 or AVX2."""

from __future__ import annotations

import ctypes
import os
from functools import lru_cache
from pathlib import Path

from nova_bench.kernels.compiled import FLOAT, INT, LONG, POINTER, Sources

OFF = "NOVA_BENCH_SIMD"
"""Environment variable: ``0`` leaves everything to PyTorch, ``avx2`` makes no use of AVX-512."""

_KINDS = {
    "AVX-512": ("avx512f", "avx512bw", "avx512dq", "avx512vl", "fma"),
    "AVX2": ("avx2", "fma"),
}
_SOURCES = [Sources("simd", kind, Path(__file__).parent, needs, OFF) for kind, needs in _KINDS.items()]
_SIGNATURES = {
    "lookup": [POINTER, LONG, LONG, LONG, POINTER, FLOAT, LONG, POINTER, LONG, INT],
    "group_norm": [POINTER, *[LONG] * 4, POINTER, POINTER, FLOAT, POINTER, INT, POINTER, INT],
    "winograd": [
        *[POINTER, *[LONG] * 5, INT, POINTER, POINTER, LONG, POINTER, POINTER],
        *[LONG, LONG, POINTER, LONG, INT],
    ],
}


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL | None:
    """The compiled functions; None if the CPU has neither, there is no C compiler, or :data:`OFF` says so."""
    sources = _SOURCES[1:] if os.environ.get(OFF) == "avx2" else _SOURCES
    return next(filter(None, (source.load(_SIGNATURES, {}) for source in sources)), None)


def required_library() -> ctypes.CDLL:
    """The compiled functions, for callers that run only if :func:`library` has them."""
    loaded = library()
    assert loaded is not None, "only used where there is a library"
    return loaded
