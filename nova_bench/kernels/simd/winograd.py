"""Convolutions by Winograd's minimal filtering (Lavin and Gray, CVPR 2016, arXiv 1509.09308), for AVX-512 and AVX2.

A 3 x 3 convolution of 6 x 6 results takes 64 products per pair of channels instead of 324, one along rows or columns
with 5 taps takes 8 instead of 20 for 4 results. The points (0, 1, -1, 2, -2, 1/2, -1/2, infinity) were chosen for
accuracy, and no more than 128 products are summed up one after the other: for 256 channels the error is 4e-6 of the
results for 3 x 3 taps and 8e-7 for 5, where summing the products directly in float32 is off by 6e-7 and 5e-7. A result
that is not finite makes its whole tile so.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import prod

import torch
from torch import Tensor, nn

from nova_bench.kernels.arguments import check, pixel_step
from nova_bench.kernels.simd.library import library, required_library
from nova_bench.kernels.simd.memory import room

POINTS = tuple(map(Fraction, ("0", "1", "-1", "2", "-2", "1/2", "-1/2")))
"""Infinity is the last point. winograd.h has what they make of pixels and products."""
SCALES = (8, 8, 8, 4, 4, 8, 8, 8)
"""Each point's row for pixels is divided by this in winograd.h, so the filters are multiplied by it."""

_KINDS = {(3, 3): 0, (1, 5): 1, (5, 1): 2}  # as in winograd.c
_LINE = 16  # floats of a cache line
_SMALLEST = 16  # channels
_NEAR = 3 * 2**16  # floats of points and products that stay in a second-level cache
_LEAST = 3  # tiles per lane in one go: fewer read the weights too often
_TILES = 192  # at most in one go


class WinogradConv2d(nn.Module):
    """A convolution of stride 1 on float32 [N, in, H, W] -> [N, out, H, W], channels last, and what follows it."""

    def __init__(self, layer: nn.Conv2d):
        super().__init__()
        rows, columns = layer.kernel_size
        self.kind, self.points = _KINDS[rows, columns], points_of(rows, columns)
        self.outputs, self.inputs = layer.weight.shape[:2]
        self.weight = arranged(layer.weight.detach())
        self.bias = None if layer.bias is None else layer.bias.detach().contiguous()
        self.slopes: Tensor | None = None

    def fuse(self, activation: nn.Module) -> bool:
        """Take over an activation that multiplies negative results by a factor."""
        if isinstance(activation, nn.PReLU):
            self.slopes = activation.weight.detach().expand(self.outputs).contiguous()
        elif isinstance(activation, nn.ReLU | nn.LeakyReLU):
            self.slopes = torch.full((self.outputs,), getattr(activation, "negative_slope", 0.0))
        return self.slopes is not None

    def forward(self, x: Tensor) -> Tensor:
        check(x)
        count, _, height, width = x.shape
        step = pixel_step(x)
        if step is None:
            x, step = x.permute(0, 2, 3, 1).contiguous(), self.inputs
        out = torch.empty(count, height, width, self.outputs)
        if out.numel() == 0:
            return out.permute(0, 3, 1, 2)
        together, share = room_for(self.points, (self.inputs, self.outputs))
        threads = torch.get_num_threads()
        weight, bias, slopes = (t if t is None else t.data_ptr() for t in (self.weight, self.bias, self.slopes))
        required_library().winograd(
            *(x.data_ptr(), count, height, width, self.inputs, step, self.kind, weight, bias),
            *(self.outputs, slopes, out.data_ptr(), self.outputs, together, room(threads * share), share, threads),
        )
        return out.permute(0, 3, 1, 2)


def winograd(layer: nn.Module) -> WinogradConv2d | None:
    """The equivalent convolution, if there is one."""
    if not isinstance(layer, nn.Conv2d) or type(layer).forward is not nn.Conv2d.forward or library() is None:
        return None
    kernel = (layer.kernel_size[0], layer.kernel_size[1])
    fits = layer.weight.dtype == torch.float32 and kernel in _KINDS and min(layer.weight.shape[:2]) >= _SMALLEST
    plain = {*layer.dilation, *layer.stride, layer.groups} == {1} and layer.padding_mode == "zeros"
    centred = layer.padding == tuple(size // 2 for size in kernel)
    return WinogradConv2d(layer) if fits and plain and centred else None


def arranged(weight: Tensor) -> Tensor:
    """Weights [out, in, rows, columns] at each point, in panels of outputs, the last perhaps half as wide: one line."""
    outputs, inputs, *sizes = weight.shape
    made = weight.double()
    for axis, size in enumerate(sizes, start=2):
        if size > 1:
            made = torch.tensordot(made, filters(size), dims=([axis], [1])).movedim(-1, axis)
    made = made.flatten(2).permute(2, 1, 0)  # [points, in, out]
    padded = torch.zeros(len(made), inputs, rounded(outputs))
    padded[:, :, :outputs] = made
    return torch.cat([panel.flatten(1) for panel in padded.split(2 * _lanes(), dim=2)], dim=1).contiguous()


def points_of(*sizes: int) -> int:
    """At how many points a tile has values, for a filter of so many taps in each direction."""
    return (len(POINTS) + 1) ** sum(size > 1 for size in sizes)


def filters(size: int) -> Tensor:
    """What the points make of a filter: float64 [points, size] (Cook and Toom's matrix)."""
    rows: list[Sequence[Fraction]] = []
    for point in POINTS:
        distance = prod((point - other for other in POINTS if other != point), start=Fraction(1))
        rows.append([point**power / distance for power in range(size)])
    rows.append([Fraction(int(power == size - 1)) for power in range(size)])
    scaled = [[float(value * scale) for value in row] for row, scale in zip(rows, SCALES, strict=True)]
    return torch.tensor(scaled, dtype=torch.float64)


def room_for(points: int, channels: Sequence[int], most: int = _TILES) -> tuple[int, int]:
    """How many tiles to keep in one go, with so many channels at each point, and the floats that a thread needs."""
    sizes = [rounded(size) for size in channels]
    together = max(_LEAST * _lanes(), min(most, _NEAR // (points * sum(sizes)) // 12 * 12))
    return together, points * sum(together * size + _LINE for size in sizes)


def rounded(channels: int) -> int:
    """Channels that are computed, several at a time: some more than there may be."""
    return channels + -channels % _lanes()


def _lanes() -> int:
    return required_library().panel_width() // 2
