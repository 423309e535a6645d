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
