"""Group norm with what follows it, on channels-last maps."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nova_bench.kernels.simd.library import library, required_library

_LANES = 16
_WIDEST = 1024  # channels


def group_norm(norm: nn.GroupNorm, x: Tensor, added: Tensor | None = None, relu: bool = True) -> Tensor:
    """Group norm of x [N, C, H, W], plus ``added``, then ReLU if ``relu``; ``x`` may be overwritten."""
    maps = [x] if added is None else [x, added]
    fits = x.device.type == "cpu" and x.dtype == torch.float32 and x.shape[1] % _LANES == 0 and x.shape[1] <= _WIDEST
    if not fits or library() is None or not all(m.is_contiguous(memory_format=torch.channels_last) for m in maps):
        x = norm(x)
        x = x if added is None else x + added
        return F.relu_(x) if relu else x
    weight, bias, more = (None if tensor is None else tensor.data_ptr() for tensor in (norm.weight, norm.bias, added))
    required_library().group_norm(
        *(x.data_ptr(), len(x), x.shape[2] * x.shape[3], x.shape[1], norm.num_groups, weight),
        *(bias, norm.eps, more, int(relu), x.data_ptr(), torch.get_num_threads()),
    )
    return x
