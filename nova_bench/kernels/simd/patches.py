"""Convolutions that cut an image into patches, or into pixels, as products."""

from __future__ import annotations

from torch import Tensor, nn

from nova_bench.kernels.arguments import linear
from nova_bench.kernels.simd.library import library
from nova_bench.kernels.simd.linear import VectorLinear, vector_linear


class VectorPatches(nn.Module):
    """A convolution whose windows lie side by side, float32 [N, in, H, W] -> [N, out, H', W'], channels last."""

    def __init__(self, size: tuple[int, int], product: VectorLinear):
        super().__init__()
        self.size, self.product = size, product

    def forward(self, x: Tensor) -> Tensor:
        down, across = self.size
        rows, columns = x.shape[2] // down, x.shape[3] // across
        whole = x[..., : rows * down, : columns * across].unflatten(3, (columns, across)).unflatten(2, (rows, down))
        return self.product(whole.permute(0, 2, 4, 1, 3, 5).flatten(3)).permute(0, 3, 1, 2)


def vector_patches(layer: nn.Module) -> VectorPatches | None:
    """The equivalent layer, if there is one."""
    if not isinstance(layer, nn.Conv2d) or type(layer).forward is not nn.Conv2d.forward or library() is None:
        return None
    size = (layer.kernel_size[0], layer.kernel_size[1])
    side_by_side = layer.stride == size and layer.padding in ((0, 0), "valid") and layer.groups == 1
    if not side_by_side or set(layer.dilation) != {1}:
        return None
    product = vector_linear(linear(layer.weight.detach().flatten(1), layer.bias))
    return None if product is None else VectorPatches(size, product)
