"""Norms of the motion networks, fused with what surrounds them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nova_bench.networks.norm import InstanceNorm, folded, normalized
from tests.kernels.float64 import drawn


def used_batch_norm(channels: int) -> nn.BatchNorm2d:
    """With statistics and parameters as after a training."""
    norm = nn.BatchNorm2d(channels).eval().requires_grad_(False)
    norm.weight.data, norm.bias.data = drawn(1, channels), drawn(2, channels)
    norm.running_mean, norm.running_var = drawn(3, channels), drawn(4, channels).exp()
    return norm


@pytest.mark.parametrize("stride", [1, 2])
def test_a_folded_batch_norm_changes_nothing(stride: int) -> None:
    convolution = nn.Conv2d(3, 24, 3, stride=stride, padding=1).requires_grad_(False)
    norm, x = used_batch_norm(24), drawn(0, 2, 3, 9, 11)
    both, rest = folded(convolution, norm)
    assert isinstance(rest, nn.Identity)
    torch.testing.assert_close(both(x), norm(convolution(x)), rtol=1e-5, atol=1e-5)


def test_other_norms_stay() -> None:
    convolution, norm = nn.Conv2d(3, 24, 3), InstanceNorm(24)
    assert folded(convolution, norm) == (convolution, norm)


@pytest.mark.parametrize("channels", [24, 32])  # the compiled code takes multiples of 16
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("norm", [InstanceNorm, used_batch_norm])
def test_norm_and_activation(norm: type[nn.Module], relu: bool, channels: int) -> None:
    x = drawn(0, 2, channels, 9, 11).contiguous(memory_format=torch.channels_last)
    layer = norm(channels)
    plain = layer(x).relu() if relu else layer(x)
    torch.testing.assert_close(normalized(layer, x.clone(), relu=relu), plain, rtol=1e-5, atol=1e-5)
