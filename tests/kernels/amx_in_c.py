"""A pytest plugin (``-p tests.kernels.amx_in_c``): AMX's kernels run on any CPU with AVX-512, with tiles in plain C."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from nova_bench.kernels.amx import library

_TILES = Path(__file__).with_name("amx_tiles.h")
# With its digest, so that the library is built anew when that file has changed.
_INCLUDED = ("-include", str(_TILES), f"-DTILES=0x{hashlib.sha256(_TILES.read_bytes()).hexdigest()[:8]}")
SOURCES = replace(
    library._SOURCES,
    name="sliced-in-c",
    needs=tuple(feature for feature in library._SOURCES.needs if not feature.startswith("amx")),
    defines=(*library._SOURCES.defines, *_INCLUDED),
)


def pytest_configure() -> None:
    library._SOURCES = SOURCES
    assert library.library() is not None, "every test of AMX would skip"
