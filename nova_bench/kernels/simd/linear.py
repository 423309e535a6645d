"""Linear layers in compiled code, for AVX-512 and AVX2: float32 in and out.

Large products are about as fast as those of a good library, small ones and activations faster: weights are arranged
once, and an activation is computed while its sum is still in a register. A row's result doesn't depend on other rows.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nova_bench.kernels.arguments import NO_ACTIVATION, activation_code, check, linear, readable
from nova_bench.kernels.simd.library import library, required_library
from nova_bench.kernels.simd.memory import empty

_SMALLEST = 64  # channels: a call costs more than smaller layers gain


class VectorLinear(nn.Module):
    """A linear layer on float32 [..., in] -> [..., out], and the activation that follows it, if any."""

    def __init__(self, layer: nn.Linear):
        super().__init__()
        self.out_features, self.in_features = layer.weight.shape
        self.panel = required_library().panel_width()
        padded = torch.zeros(self.in_features, self.out_features + -self.out_features % self.panel)
        padded[:, : self.out_features] = layer.weight.detach().t()
        panels = padded.unflatten(1, (-1, self.panel)).transpose(0, 1)  # [panels, in, panel]
        self.weight = empty(*panels.shape).copy_(panels)
        self.bias = None if layer.bias is None else layer.bias.detach().contiguous()
        self.activation = NO_ACTIVATION

    def fuse(self, activation: nn.Module) -> bool:
        """Take over an activation that follows, if the kernel has it."""
        self.activation = activation_code(activation)
        return self.activation != NO_ACTIVATION

    def forward(self, x: Tensor) -> Tensor:
        return self.part(x, 0, self.out_features)

    def part(self, x: Tensor, start: int, stop: int, out: Tensor | None = None) -> Tensor:
        """The outputs from ``start``, a multiple of ``panel``, up to ``stop``; written to ``out`` if there is one."""
        check(x)
        rows = x.reshape(-1, self.in_features).contiguous()
        if out is None:
            out = empty(*x.shape[:-1], stop - start)
        assert out.is_contiguous(), "the kernel writes one row after the other"
        weight = self.weight[start // self.panel :].data_ptr()
        bias = None if self.bias is None else self.bias[start:].data_ptr()
        required_library().linear(
            *(rows.data_ptr(), len(rows), self.in_features, weight, bias, stop - start),
            *(self.activation, out.data_ptr(), torch.get_num_threads()),
        )
        return out


def dot_products(first: Tensor, second: Tensor) -> Tensor:
    """Those of all rows: [B, rows, d], [B, others, d] -> [B, rows, others]."""
    if not readable(first) or library() is None:
        return first @ second.transpose(1, 2)
    out = empty(len(first), first.shape[1], second.shape[1])
    for rows, others, products in zip(first, second, out, strict=True):
        VectorLinear(linear(others)).part(rows, 0, len(others), out=products)
    return out


def vector_linear(layer: nn.Module) -> VectorLinear | None:
    """The equivalent layer, if there is one."""
    if not isinstance(layer, nn.Linear) or type(layer).forward is not nn.Linear.forward or library() is None:
        return None
    fits = layer.weight.dtype == torch.float32 and min(layer.weight.shape) >= _SMALLEST
    return VectorLinear(layer) if fits else None
