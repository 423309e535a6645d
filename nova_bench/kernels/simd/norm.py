"""Layer norm and group norm with what follows them, and sums for the group norm of a video."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nova_bench.kernels.arguments import readable
from nova_bench.kernels.simd.library import library, required_library

_LANES = 16
_WIDEST = 1024  # channels
_PART = 4096  # pixels summed on their own, so that sums don't depend on the number of threads


def group_norm(norm: nn.GroupNorm, x: Tensor, added: Tensor | None = None, relu: bool = True) -> Tensor:
    """Group norm of x [N, C, H, W], plus ``added``, then ReLU if ``relu``; ``x`` may be overwritten."""
    maps = [x] if added is None else [x, added]
    fits = readable(x) and x.shape[1] % _LANES == 0 and x.shape[1] <= _WIDEST
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


def layer_norm(norm: nn.LayerNorm, x: Tensor, added: Tensor) -> Tensor:
    """Layer norm of x [..., C] plus ``added``, without gradients."""
    tensors = (x, added)
    fits = x.shape == added.shape and x.shape[-1] % _LANES == 0 and norm.normalized_shape == x.shape[-1:]
    plain = all(readable(t) and t.is_contiguous() for t in tensors)
    if not fits or not plain or library() is None:
        return added + norm(x)
    out = torch.empty_like(x)
    weight, bias = (None if tensor is None else tensor.data_ptr() for tensor in (norm.weight, norm.bias))
    required_library().layer_norm(
        *(x.data_ptr(), x.numel() // x.shape[-1], x.shape[-1], weight, bias, norm.eps),
        *(added.data_ptr(), out.data_ptr(), torch.get_num_threads()),
    )
    return out


def channel_sums(x: Tensor, centre: Tensor) -> Tensor | None:
    """Sums over pixels of x - ``centre`` and of its square: x [N, pixels, C], ``centre`` [C] -> float64 [2, N, C].

    None where the compiled code can't do it.
    """
    fits = readable(x) and x.shape[2] % _LANES == 0 and x.is_contiguous()
    if not fits or library() is None:
        return None
    count, pixels, channels = x.shape
    sums = torch.empty(count, -(-pixels // _PART), 2, channels, dtype=torch.float64)
    centre = centre.contiguous()
    for image, parts in zip(x, sums, strict=True):
        required_library().channel_sums(
            image.data_ptr(), pixels, channels, centre.data_ptr(), _PART, parts.data_ptr(), torch.get_num_threads()
        )
    return sums.sum(1).transpose(0, 1)
