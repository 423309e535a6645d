"""Who computes the float32 products of VBench's networks: results agree within their tolerances, not bit by bit."""

from __future__ import annotations

from nova_bench.kernels.amx.library import library


def describe_products(device: str) -> str:
    """For a manifest: what :func:`speed_up` makes of a network on ``device`` in this environment."""
    return "AMX (compiled here)" if device == "cpu" and library() is not None else "PyTorch"
