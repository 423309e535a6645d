"""Names the implementation of float32 products in VBench's networks: results agree within tolerances, not exactly."""

from __future__ import annotations

from nova_bench.kernels.amx.library import library


def describe_products(device: str) -> str:
    """For a manifest: what :func:`speed_up` uses for a network on ``device`` in this environment."""
    return "AMX (compiled here)" if device == "cpu" and library() is not None else "PyTorch"
