"""Numbers to compute with, and how far a result is from float64."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def error(result: Tensor, layer: nn.Module, x: Tensor) -> float:
    """Relative to float64."""
    exact = layer.double()(x.double())
    layer.float()
    return ((result.double() - exact).norm() / exact.norm()).item()


def assert_equals_plain(made: nn.Module, layer: nn.Module, x: Tensor, last: bool, allowed: float) -> None:
    """A convolution's replacement equals it, also with channels last, and no image's result depends on the others."""
    result = made(x.contiguous(memory_format=torch.channels_last) if last else x)
    assert result.shape == layer(x).shape
    assert len(x) == 0 or error(result, layer, x) < allowed
    for index in range(len(x)):
        assert torch.equal(made(x[index : index + 1]), result[index : index + 1])


def with_weights(layer: nn.Linear) -> nn.Linear:
    """The layer with drawn parameters that keep the size of what it is given."""
    for index, parameter in enumerate(layer.parameters(), start=1):
        parameter.data = drawn(index, *parameter.shape) / layer.in_features**0.5
    return layer.requires_grad_(False)


def error_of_sums(result: Tensor, layer: nn.Linear, x: Tensor) -> float:
    """Relative to what is summed, in float64: a sum may be close to zero."""
    exact = layer.double()(x.double())
    summed = x.double().abs() @ layer.weight.abs().T + (0 if layer.bias is None else layer.bias.abs())
    return float((result.double() - exact).norm() / summed.norm())
