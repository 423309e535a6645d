"""The compiled code for CPUs with AMX."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from pathlib import Path
from typing import Any

from nova_bench.kernels.compiled import FLOAT, INT, LONG, POINTER, Sources

OFF = "NOVA_BENCH_SLICED"
"""Environment variable: ``0`` leaves all products to other layers."""
CHUNK = 6
"""Steps of 64 channels that are summed in one go: for 16 rows and outputs they fit the first-level cache."""

_NEEDS = ("amx_tile", "amx_int8", "avx512f", "avx512bw", "avx512dq", "avx512vl", "fma")
_SOURCES = Sources("sliced", "AMX", Path(__file__).parent, _NEEDS, OFF, (f"-DCHUNK={CHUNK}",))
_RESULTS = {"sliced_prepare": INT, "sliced_attention_room": LONG}
_SIGNATURES: dict[str, list[Any]] = {
    "sliced_prepare": [],
    "sliced_large_pages": [POINTER, LONG],
    "sliced_rows": [POINTER, LONG, LONG, POINTER, LONG, POINTER, INT],
    "sliced_images": [POINTER, *[LONG] * 9, POINTER, LONG, POINTER, POINTER, INT],
    "sliced_frame": [POINTER, *[LONG] * 5, FLOAT, INT, POINTER, LONG, INT],
    "sliced_attention_room": [LONG],
    "sliced_attention": [POINTER, POINTER, POINTER, *[LONG] * 5, POINTER, POINTER, INT],
    "sliced_product": [
        *[POINTER, *[LONG] * 3, POINTER, *[LONG] * 5, POINTER, POINTER, POINTER, LONG],
        *[POINTER, POINTER, LONG, LONG, INT, INT, INT],
    ],
}


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL | None:
    """The compiled functions; None if the CPU has no AMX, there is no C compiler, or :data:`OFF` says so."""
    loaded = _SOURCES.load(_SIGNATURES, _RESULTS)
    return loaded if loaded is not None and loaded.sliced_prepare() == 0 else None


def required_library() -> ctypes.CDLL:
    """The compiled functions, for callers that run only if :func:`library` has them."""
    loaded = library()
    assert loaded is not None, "sliced layers are only made where there is a library"
    return loaded
