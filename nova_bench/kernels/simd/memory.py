"""What the compiled code is given: tensors of the right kind, and memory to work in."""

from __future__ import annotations

import threading

import torch
from torch import Tensor

_LOCAL = threading.local()


def check(x: Tensor) -> None:
    """Refuse anything but float32 on the CPU: the kernel would misread it."""
    if x.dtype != torch.float32 or x.device.type != "cpu":
        raise TypeError(f"these layers take float32 on the CPU, not {x.dtype} on {x.device}")


def room(size: int) -> int:
    """Address of so many floats that this thread keeps: new memory at each call would cost page faults."""
    kept: Tensor | None = getattr(_LOCAL, "room", None)
    if kept is None or len(kept) < size:
        _LOCAL.room = kept = torch.empty(size)
    return kept.data_ptr()
