"""nova_bench: benchmark and ablation harness for autoregressive video generation (NOVA, arXiv 2412.14169)."""

from __future__ import annotations

from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nova_bench.experiments.frame import load as load

__version__ = "0.1.0"

_PUBLIC = {"load": "nova_bench.experiments.frame:load"}
"""The Python interface, imported when it is asked for."""


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return resolve_name(_PUBLIC[name])
