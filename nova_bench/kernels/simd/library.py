"""The compiled code for CPUs with AVX-512 or AVX2."""

from __future__ import annotations

import ctypes
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from nova_bench.kernels.compiled import FLOAT, INT, LONG, POINTER, Sources

OFF = "NOVA_BENCH_SIMD"
"""Environment variable: ``0`` leaves everything to PyTorch, ``avx2`` makes no use of AVX-512."""

_KINDS = {
    "AVX-512": ("avx512f", "avx512bw", "avx512dq", "avx512vl", "fma"),
    "AVX2": ("avx2", "fma"),
}
_SOURCES = [Sources("simd", kind, Path(__file__).parent, needs, OFF) for kind, needs in _KINDS.items()]
_SIGNATURES: dict[str, list[Any]] = {
    "lookup": [POINTER, LONG, LONG, LONG, POINTER, FLOAT, LONG, POINTER, LONG, INT],
    "group_norm": [POINTER, *[LONG] * 4, POINTER, POINTER, FLOAT, POINTER, INT, POINTER, INT],
    "channel_sums": [POINTER, LONG, LONG, POINTER, LONG, POINTER, INT],
    "attention_room": [LONG, LONG],
    "attention": [*[POINTER] * 3, *[LONG] * 5, POINTER, POINTER, LONG, INT],
    "panel_width": [],
    "gru_reset": [*[POINTER] * 2, *[LONG, POINTER] * 2, *[LONG] * 3, INT],
    "gru_update": [POINTER, LONG, *[POINTER] * 3, *[LONG] * 3, INT],
    "large_pages": [POINTER, LONG],
    "layer_norm": [POINTER, LONG, LONG, POINTER, POINTER, FLOAT, POINTER, POINTER, INT],
    "linear": [POINTER, LONG, LONG, POINTER, POINTER, LONG, INT, POINTER, INT],
    "winograd_video": [
        *[POINTER, LONG, INT, INT, LONG, LONG, INT, LONG, *[POINTER] * 4, LONG, INT, POINTER],
        *[LONG, POINTER, LONG, INT],
    ],
    "winograd": [
        *[POINTER, *[LONG] * 5, INT, POINTER, POINTER, LONG, POINTER, POINTER],
        *[LONG, LONG, POINTER, LONG, INT],
    ],
}

_RESULTS = {"attention_room": LONG, "panel_width": LONG}


def library() -> ctypes.CDLL | None:
    """The compiled functions; None if the CPU has neither, there is no C compiler, or :data:`OFF` says so."""
    return loaded()[1]


def vectors() -> str:
    """Which vectors :func:`library` uses, "AVX-512" or "AVX2"; empty if there is none."""
    return loaded()[0]


@lru_cache(maxsize=1)
def loaded() -> tuple[str, ctypes.CDLL | None]:
    """What :func:`vectors` and :func:`library` say, found once."""
    sources = _SOURCES[1:] if os.environ.get(OFF) == "avx2" else _SOURCES
    found = ((source.what, source.load(_SIGNATURES, _RESULTS)) for source in sources)
    return next((pair for pair in found if pair[1] is not None), ("", None))


def required_library() -> ctypes.CDLL:
    """The compiled functions, for callers that run only if :func:`library` has them."""
    found = library()
    assert found is not None, "only used where there is a library"
    return found
