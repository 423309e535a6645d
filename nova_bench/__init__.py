"""nova_bench: benchmark and ablation harness for autoregressive video generation (NOVA, arXiv 2412.14169)."""

from __future__ import annotations

from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nova_bench.interface.calls import compare as compare
    from nova_bench.interface.calls import load as load
    from nova_bench.interface.calls import run as run
    from nova_bench.interface.calls import score as score
    from nova_bench.interface.results import Results as Results
    from nova_bench.nova import NOVAPipeline as NOVAPipeline

__version__ = "0.1.0"

_PUBLIC = {
    **{name: f"nova_bench.interface.calls:{name}" for name in ("score", "run", "load", "compare")},
    "Results": "nova_bench.interface.results:Results",
    "NOVAPipeline": "nova_bench.nova:NOVAPipeline",
}
"""The Python interface, imported when it is asked for."""


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return resolve_name(_PUBLIC[name])


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
