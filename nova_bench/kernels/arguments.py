"""What compiled code is given."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor


def check(x: Tensor) -> None:
    """Refuse anything but float32 on the CPU: the kernel would misread it."""
    if x.dtype != torch.float32 or x.device.type != "cpu":
        raise TypeError(f"fast layers take float32 on the CPU, not {x.dtype} on {x.device}")


class Heads(ctypes.Structure):
    """Heads [N, heads, tokens, d], d of them side by side: ``struct heads`` in both attention.c."""

    _fields_ = (("first", ctypes.c_void_p), *((name, ctypes.c_int64) for name in ("image", "head", "token")))

    def __init__(self, heads: Tensor):
        super().__init__(heads.data_ptr(), *heads.stride()[:3])
