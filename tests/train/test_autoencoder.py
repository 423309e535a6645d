"""The autoencoder with gradients computes what the library's computes."""

from __future__ import annotations

import pytest
import torch

from nova_bench.nova.vae import AutoencoderKLOpenSora
from nova_bench.train.autoencoder import decode, moments

CONFIG = {"block_out_channels": [4, 4, 8, 8], "layers_per_block": 1, "norm_num_groups": 2, "latent_channels": 3}


@pytest.fixture
def vae() -> AutoencoderKLOpenSora:
    torch.manual_seed(0)
    return AutoencoderKLOpenSora(CONFIG)


@pytest.mark.parametrize("frames", [1, 5, 17])
def test_equals_the_library(vae: AutoencoderKLOpenSora, frames: int) -> None:
    x = torch.randn(2, 3, frames, 32, 32, generator=torch.Generator().manual_seed(1))
    mean, log_variance = moments(vae, x)
    with torch.no_grad():
        torch.testing.assert_close(torch.cat((mean, log_variance), 1), vae.moments(x), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(decode(vae, mean), vae.decode(mean), atol=1e-4, rtol=1e-4)


def test_gradients_reach_every_parameter(vae: AutoencoderKLOpenSora) -> None:
    x = torch.randn(2, 3, 5, 32, 32)
    mean, log_variance = moments(vae, x)
    (decode(vae, mean + log_variance).square().mean() + log_variance.square().mean()).backward()
    # A shift before a normalization has a gradient of zero, up to rounding; none at all would mean an unused layer.
    assert [name for name, parameter in vae.named_parameters() if parameter.grad is None] == []
