"""Convolutions of 3 x 3 to very few channels, as products: how motion networks end."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nova_bench.kernels.arguments import linear
from nova_bench.kernels.simd.library import library
from nova_bench.kernels.simd.linear import VectorLinear

_MOST, _SMALLEST = 4, 64  # channels after and before the convolution


class NarrowConv2d(nn.Module):
    """A 3 x 3 convolution with padding 1, float32 [N, in, H, W] -> [N, out, H, W], channels last.

    One product gives what each pixel contributes to the nine windows that it is part of; they are summed afterwards.
    """

    def __init__(self, layer: nn.Conv2d):
        super().__init__()
        self.outputs, inputs = layer.weight.shape[:2]
        self.product = VectorLinear(linear(layer.weight.detach().permute(2, 3, 0, 1).reshape(-1, inputs)))
        self.bias = None if layer.bias is None else layer.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        count, _, height, width = x.shape
        shares = self.product(x.permute(0, 2, 3, 1)).view(count, height, width, 3, 3, self.outputs)
        sums = torch.zeros(count, height + 2, width + 2, self.outputs)
        for row in range(3):
            for column in range(3):
                top, left = 2 - row, 2 - column
                sums[:, top : top + height, left : left + width] += shares[..., row, column, :]
        inside = sums[:, 1:-1, 1:-1]
        return (inside if self.bias is None else inside + self.bias).permute(0, 3, 1, 2)


def narrow(layer: nn.Module) -> NarrowConv2d | None:
    """The equivalent convolution, if there is one."""
    if not isinstance(layer, nn.Conv2d) or type(layer).forward is not nn.Conv2d.forward or library() is None:
        return None
    outputs, inputs, *kernel = layer.weight.shape
    fits = layer.weight.dtype == torch.float32 and outputs <= _MOST and inputs >= _SMALLEST and kernel == [3, 3]
    plain = {*layer.dilation, *layer.stride, layer.groups} == {1} and layer.padding_mode == "zeros"
    return NarrowConv2d(layer) if fits and plain and layer.padding == (1, 1) else None
