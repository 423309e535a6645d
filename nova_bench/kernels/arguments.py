"""What compiled code is given."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor, nn

NO_ACTIVATION, SILU, GELU = 0, 1, 2  # as in activations.h


def activation_code(activation: nn.Module) -> int:
    """The code of an activation that compiled products can take over, else :data:`NO_ACTIVATION`."""
    if isinstance(activation, nn.GELU) and activation.approximate == "none":
        return GELU
    return SILU if isinstance(activation, nn.SiLU) else NO_ACTIVATION


def linear(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    """A linear layer with these parameters [out, in] and, if any, [out], not copied, and without gradients."""
    outputs, inputs = weight.shape
    layer = nn.Linear(inputs, outputs, bias is not None, device="meta")
    layer.weight = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        layer.bias = nn.Parameter(bias, requires_grad=False)
    return layer


def readable(x: Tensor) -> bool:
    """Whether it is float32 on the CPU, which is what kernels read."""
    return x.device.type == "cpu" and x.dtype == torch.float32


def check(x: Tensor) -> None:
    """Refuse anything that isn't :func:`readable`: the kernel would misread it."""
    if not readable(x):
        raise TypeError(f"fast layers take float32 on the CPU, not {x.dtype} on {x.device}")


def pixel_step(x: Tensor) -> int | None:
    """Values from one pixel of x [N, C, H, W] to the next, if channels lie side by side and pixels evenly spaced."""
    _, _, height, width = x.shape
    step = x.stride(3)
    return step if width > 1 and x.stride() == (height * width * step, 1, width * step, step) else None


class Heads(ctypes.Structure):
    """Heads [N, heads, tokens, d], d of them side by side: ``struct heads`` in both attention.c."""

    _fields_ = (("first", ctypes.c_void_p), *((name, ctypes.c_int64) for name in ("image", "head", "token")))

    def __init__(self, heads: Tensor):
        super().__init__(heads.data_ptr(), *heads.stride()[:3])


def readable_heads(*parts: Tensor) -> list[Tensor]:
    """Heads [N, heads, tokens, d] with d side by side in memory, copied where they are not; checked."""
    readable = [part if part.stride(3) == 1 else part.contiguous() for part in parts]
    for part in readable:
        check(part)
    return readable
