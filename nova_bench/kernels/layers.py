"""The fastest layers that this CPU has, in place of plain ones.

Linear ones are sliced (AMX), else compiled (AVX-512 or AVX2), else on packed weights (oneDNN); convolutions are sliced,
else by Winograd's method or as products (AVX-512 or AVX2); what none of these takes remains PyTorch's own.

Float32 in and out, equal to the plain layers up to rounding. A network keeps its structure, but the layers replaced no
longer have parameters: it can compute, not be trained, saved or moved to another device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from torch import Tensor, nn
from torch.nn import functional as F

from nova_bench.kernels.amx.layers import HEADS, LANES, MOST_TOKENS, SlicedLinear, sliced, sliced_attention
from nova_bench.kernels.amx.library import library
from nova_bench.kernels.amx.video import SlicedVideoConvolution, sliced_video
from nova_bench.kernels.memory import keep_freed_memory
from nova_bench.kernels.packed import PackedLinear, packed, usable
from nova_bench.kernels.simd.attention import takes_heads, vector_attention
from nova_bench.kernels.simd.linear import VectorLinear, vector_linear
from nova_bench.kernels.simd.narrow import narrow
from nova_bench.kernels.simd.patches import vector_patches
from nova_bench.kernels.simd.video import WinogradVideoConvolution, winograd_video
from nova_bench.kernels.simd.winograd import WinogradConv2d, winograd

_LINEAR = (SlicedLinear, VectorLinear, PackedLinear)
_WIDE = 128  # channels from which on a sliced convolution is faster than one by Winograd's method
Network = TypeVar("Network", bound=nn.Module)
VideoConvolution = SlicedVideoConvolution | WinogradVideoConvolution
Replacement = Callable[[nn.Module], nn.Module | None]


def speed_up(network: Network, device: str) -> Network:
    """Move a float32 network to ``device``; on a CPU its larger layers become faster ones if there are any."""
    if device == "cpu":
        keep_freed_memory()
        _replace(network, _faster)
    return network.to(device)


def fastest(layer: nn.Linear) -> nn.Module:
    """A layer on the CPU, or the faster one that replaces it."""
    return _faster(layer) or layer


def fastest_video_convolution(layer: nn.Conv3d) -> VideoConvolution | None:
    """A faster equivalent of a convolution of videos on the CPU, if there is one.

    It takes float32 x [1, C, T + 0 or 2, H, W], padded in time, and writes to [1, C', T, H, W] or, with ``add``, adds
    to it; both have channels last.
    """
    ways: list[Callable[[nn.Conv3d], VideoConvolution | None]] = [winograd_video]
    if library() is not None:
        ways.insert(int(min(layer.weight.shape[:2]) < _WIDE), sliced_video)
    found = (way(layer) for way in ways)
    return next((faster for faster in found if faster is not None), None)


def _faster(layer: nn.Module) -> nn.Module | None:
    """The faster equivalent of a layer, if there is one."""
    if library() is not None:
        small = isinstance(layer, nn.Conv2d) and min(layer.weight.shape[:2]) < _WIDE
        return (winograd(layer) if small else None) or sliced(layer) or winograd(layer)
    ways = (winograd, vector_linear, vector_patches, narrow)
    found = next((faster for way in ways if (faster := way(layer)) is not None), None)
    return packed(layer) if found is None and usable() else found


def _replace(module: nn.Module, replacement: Replacement) -> None:
    """Replace layers, also in submodules.

    An activation listed after a linear layer is assumed to follow it, one after a convolution only in a sequence.
    """
    before = None
    fusing = (*_LINEAR, *((WinogradConv2d,) if isinstance(module, nn.Sequential) else ()))
    for name, child in list(module.named_children()):
        if isinstance(before, fusing) and before.fuse(child):
            setattr(module, name, nn.Identity())
        if (faster := replacement(child)) is not None:
            setattr(module, name, faster)
        else:
            _replace(child, replacement)
        before = getattr(module, name)


def attention(
    layers: Sequence[nn.Linear | SlicedLinear | VectorLinear | PackedLinear],
    x: Tensor,
    heads: int,
    wanted: int | None = None,
) -> Tensor:
    """Multi-head self-attention up to its last projection: [N, tokens, in] -> [N, ``wanted`` or all tokens, width].

    ``layers`` give query, key and value, or one layer gives all three side by side.
    """
    width = sum(layer.out_features for layer in layers) // 3
    by_head = [layer for layer in layers if isinstance(layer, SlicedLinear)]
    if width == heads * LANES and len(by_head) == len(layers):
        # [heads, N, tokens, 64]: what a head needs is one piece of memory.
        parts = [layer.by_head(x) for layer in by_head]
        query, key, value = (part.transpose(0, 1) for part in (parts if len(parts) == 3 else parts[0].chunk(3)))
    else:
        query, key, value = (
            part.unflatten(2, (heads, -1)).transpose(1, 2) for part in _query_key_value(layers, x, width, wanted)
        )
    return attend(query[:, :, :wanted], key, value, fast=all(map(is_fast, layers)))


def _query_key_value(
    layers: Sequence[nn.Module], x: Tensor, width: int, wanted: int | None
) -> tuple[Tensor, Tensor, Tensor]:
    """[N, tokens, width] each. Queries that aren't wanted are left out where that saves work."""
    first, *others = layers
    if others:
        key, value = (layer(x) for layer in others)
        return first(x[:, :wanted]), key, value
    if wanted is not None and isinstance(first, VectorLinear) and width % first.panel == 0:
        key, value = first.part(x, width, 3 * width).chunk(2, dim=2)
        return first.part(x[:, :wanted], 0, width), key, value
    query, key, value = first(x).chunk(3, dim=2)
    return query, key, value


def is_fast(layer: nn.Module) -> bool:
    """Whether a layer has been replaced by compiled code, so that its network may use more of it."""
    return isinstance(layer, SlicedLinear | VectorLinear)


def attend(query: Tensor, key: Tensor, value: Tensor, fast: bool) -> Tensor:
    """Attention of heads [N, heads, tokens, d], with any strides -> [N, queries, heads * d].

    ``fast``: in compiled code where there is any for heads of this size and as many tokens.
    """
    if fast and query.shape[-1] in HEADS and key.shape[2] <= MOST_TOKENS and library() is not None:
        return sliced_attention(query, key, value)
    if fast and takes_heads(query):
        return vector_attention(query, key, value)
    return F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
