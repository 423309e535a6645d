"""The compiled code for CPUs with AVX-512."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from pathlib import Path

from nova_bench.kernels.compiled import FLOAT, INT, LONG, POINTER, Sources

OFF = "NOVA_BENCH_AVX512"
"""Environment variable: ``0`` leaves everything to PyTorch."""

_NEEDS = ("avx512f", "avx512bw", "avx512dq", "avx512vl", "fma")
_SOURCES = Sources("avx512", "AVX-512", Path(__file__).parent, _NEEDS, OFF)
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
    """The compiled functions; None if the CPU has no AVX-512, there is no C compiler, or :data:`OFF` says so."""
    return _SOURCES.load(_SIGNATURES, {})


def required_library() -> ctypes.CDLL:
    """The compiled functions, for callers that run only if :func:`library` has them."""
    loaded = library()
    assert loaded is not None, "only used where there is a library"
    return loaded
