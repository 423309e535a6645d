"""Names the implementation of float32 products in networks: results agree within tolerances, not exactly."""

from __future__ import annotations

from nova_bench.kernels.amx.library import library
from nova_bench.kernels.simd.library import library as simd
from nova_bench.kernels.simd.library import vectors


def describe_products(device: str) -> str:
    """For a manifest: what :func:`speed_up` uses for a network on ``device`` in this environment."""
    if device != "cpu":
        return "PyTorch"
    compiled = simd() is not None
    convolutions = "; convolutions: Winograd (compiled here)" if compiled else ""
    if library() is not None:
        return f"AMX (compiled here){convolutions}"
    if compiled:
        return f"{vectors()} (compiled here){convolutions}"
    from nova_bench.kernels.packed import usable  # needs torch, which many who import this don't

    return "oneDNN (packed weights)" if usable() else "PyTorch"
