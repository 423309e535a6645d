"""Linear layers on oneDNN's packed weights: float32 products for any CPU, by torch's own library.

On CPUs where torch leaves products to a library that doesn't use the widest vector units, they are about twice as fast;
elsewhere products of few rows gain most, since the weights need no rearranging. The activation is part of the product.
From two rows on, a row's result doesn't depend on how many others there are, which plain layers don't promise below 16.

The operator belongs to torch's compiler (its frozen graphs use it) and isn't documented. So :func:`usable` tries it
before anything depends on it: it must exist, be right, and not be slower.
"""

from __future__ import annotations

import os
import time
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nova_bench.kernels.arguments import check

OFF = "NOVA_BENCH_PACKED"
"""Environment variable: ``0`` leaves all products to plain layers."""

_SMALLEST = 128  # channels: calling the operator costs more than smaller layers gain
_ROWS = 256  # for which weights are arranged; any number above a few gives the same arrangement
_PROBE = (256, 768, 768)  # rows, inputs and outputs of the product that is tried
_REPEATS = 5
_SLOWER = 1.15  # times a plain product's time: between what noise makes of equal times and a product not worth using
_TOLERANCE = 1e-5  # relative to the largest result


class PackedLinear(nn.Module):
    """A linear layer on float32 [..., in] -> [..., out], and the activation that follows it, if any."""

    def __init__(self, layer: nn.Linear):
        super().__init__()
        self.weight = pack(layer.weight.detach())
        self.bias = None if layer.bias is None else layer.bias.detach()
        self.out_features = layer.out_features
        self.activation = ("none", "")

    def fuse(self, activation: nn.Module) -> bool:
        """Take over an activation that follows, if the product has it."""
        if isinstance(activation, nn.GELU):
            self.activation = ("gelu", activation.approximate)
        elif isinstance(activation, nn.SiLU):
            self.activation = ("swish", "")
        return self.activation[0] != "none"

    def forward(self, x: Tensor) -> Tensor:
        check(x)
        return product(x, self.weight, self.bias, *self.activation)


def pack(weight: Tensor) -> Tensor:
    """Weights [out, in] in oneDNN's own layout, opaque to other operators."""
    return torch.ops.mkldnn._reorder_linear_weight(weight, _ROWS)


def product(x: Tensor, weight: Tensor, bias: Tensor | None, activation: str, algorithm: str) -> Tensor:
    """Activation of ``x`` [..., in] times packed weights plus bias, [..., out]."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, activation, [], algorithm)


def packed(layer: nn.Module) -> PackedLinear | None:
    """The equivalent packed layer, if there is one and it is worth it."""
    if not isinstance(layer, nn.Linear) or type(layer).forward is not nn.Linear.forward:
        return None
    fits = layer.weight.dtype == torch.float32 and min(layer.weight.shape) >= _SMALLEST
    return PackedLinear(layer) if fits else None


@lru_cache(maxsize=1)
def usable() -> bool:
    """Whether packed products exist, are right and not slower than plain ones; tried once, in some 0.1 to 0.3 s."""
    if os.environ.get(OFF) == "0":
        return False
    rows, inputs, outputs = _PROBE
    generator = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(size, inputs, generator=generator) for size in (rows, outputs))
    bias = torch.randn(outputs, generator=generator)
    try:
        with torch.inference_mode():
            arranged = pack(weight)
            return _right(x, weight, arranged, bias) and _fast(x, weight, arranged, bias)
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):  # no such operator, or of another kind
        return False


def _right(x: Tensor, weight: Tensor, arranged: Tensor, bias: Tensor) -> bool:
    plain = F.linear(x, weight, bias)
    pairs = [
        (product(x, arranged, bias, "none", ""), plain),
        (product(x, arranged, bias, "gelu", "none"), F.gelu(plain)),
        (product(x, arranged, bias, "swish", ""), F.silu(plain)),
    ]
    bound = _TOLERANCE * plain.abs().max()
    return all(result.shape == right.shape and bool((result - right).abs().max() <= bound) for result, right in pairs)


def _fast(x: Tensor, weight: Tensor, arranged: Tensor, bias: Tensor) -> bool:
    """Alternate, so that other load concerns both, and compare the best times."""
    plain, packed = [], []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        F.linear(x, weight, bias)
        middle = time.perf_counter()
        product(x, arranged, bias, "none", "")
        plain.append(middle - start)
        packed.append(time.perf_counter() - middle)
    return min(packed) <= _SLOWER * min(plain)
