"""Memory for the compiled code: what it writes, and what it works in."""

from __future__ import annotations

import threading

import torch
from torch import Tensor

from nova_bench.kernels.simd.library import required_library

_LARGE = 2**23  # bytes: some large pages
_LOCAL = threading.local()


def empty(*shape: int) -> Tensor:
    """Uninitialised memory; large blocks in large pages, if the system has some to give."""
    tensor = torch.empty(shape)
    if tensor.nbytes >= _LARGE:
        required_library().large_pages(tensor.data_ptr(), tensor.nbytes)
    return tensor


def room(size: int) -> int:
    """Address of so many floats that this thread keeps: new memory at each call would cost page faults."""
    kept: Tensor | None = getattr(_LOCAL, "room", None)
    if kept is None or len(kept) < size:
        _LOCAL.room = kept = torch.empty(size)
    return kept.data_ptr()
