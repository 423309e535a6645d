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
