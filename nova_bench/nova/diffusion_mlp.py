"""The diffusion MLP (image decoder): noisy patch, timestep and spatial feature to a prediction (Section 3.4)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nova_bench.kernels.arguments import linear
from nova_bench.kernels.layers import fastest, speed_up
from nova_bench.nova.mixer import AdaLayerNorm
from nova_bench.nova.patches import PatchEmbed
from nova_bench.nova.positions import timestep_features


class Projector(nn.Module):
    """Linear, SiLU, Linear."""

    def __init__(self, in_dim: int, dim: int, out_dim: int):
        super().__init__()
        self.fc1 = nn.Linear(in_dim, dim)
        self.act = nn.SiLU()
        self.fc2 = nn.Linear(dim, out_dim)

    def forward(self, x: Tensor) -> Tensor:
        """[..., in_dim] -> [..., out_dim]."""
        return self.fc2(self.act(self.fc1(x)))


class TimeConditionEmbed(nn.Module):
    """Condition and timestep, projected to the decoder's width; their sum conditions every layer."""

    def __init__(self, condition_dim: int, dim: int):
        super().__init__()
        self.timestep_proj = Projector(256, dim, dim)
        self.condition_proj = Projector(condition_dim, dim, dim)

    def timesteps(self, timesteps: Tensor) -> Tensor:
        """Real timesteps [...] (0..1000) -> [..., dim]."""
        return self.timestep_proj(timestep_features(timesteps).to(self.timestep_proj.fc1.weight.dtype))


class DiffusionBlock(nn.Module):
    """u + gate * LN(Projector(AdaLN(u))): one residual layer of the MLP."""

    def __init__(self, dim: int):
        super().__init__()
        self.norm1 = AdaLayerNorm(dim, chunks=3)
        self.proj = Projector(dim, dim, dim)
        self.norm2 = nn.LayerNorm(dim)

    def forward(self, u: Tensor, scale: Tensor, shift: Tensor, gate: Tensor) -> Tensor:
        """u and the statistics of this block's AdaLN, all [..., dim] -> [..., dim]."""
        return u + gate * self.norm2(self.proj(_modulate(u, scale, shift)))


class DiffusionMLP(nn.Module):
    """Predicts noise (DDPM) or velocity (flow matching) of patches, each from its own values and feature alone."""

    def __init__(self, depth: int, dim: int, condition_dim: int, channels: int, patch_size: int):
        super().__init__()
        self.patch_embed = PatchEmbed(channels, dim, patch_size)
        self.time_cond_embed = TimeConditionEmbed(condition_dim, dim)
        self.blocks = nn.ModuleList(DiffusionBlock(dim) for _ in range(depth))
        self.norm = AdaLayerNorm(dim, chunks=2)
        self.head = nn.Linear(dim, patch_size**2 * channels)
        self.statistics: nn.Module | None = None

    def statistics_layer(self) -> Callable[[Tensor], Tensor]:
        """The AdaLN projections of all layers as one product, [..., dim] -> [..., (3 * depth + 2) * dim].

        Applied to SiLU(y) of a condition y it gives every layer's scale, shift and gate. None of these depends on the
        noisy patches, so sampling computes them for many timesteps in one product.
        """
        if self.statistics is not None:
            return self.statistics
        weight, bias = self._statistics_parameters()
        return partial(F.linear, weight=weight, bias=bias)

    def speed_up(self) -> None:
        """Compute with this CPU's fastest layers from now on; see :mod:`nova_bench.kernels.layers`."""
        self.statistics = fastest(linear(*self._statistics_parameters()))
        for norm in self._norms():
            del norm.proj
        speed_up(self.blocks, "cpu")
        speed_up(self.time_cond_embed.condition_proj, "cpu")

    def _norms(self) -> list[AdaLayerNorm]:
        return [block.norm1 for block in self.blocks if isinstance(block, DiffusionBlock)] + [self.norm]

    def _statistics_parameters(self) -> tuple[Tensor, Tensor]:
        """Weight [(3 * depth + 2) * dim, dim] and bias of all AdaLN projections."""
        layers = [norm.proj for norm in self._norms()]
        return torch.cat([layer.weight for layer in layers]), torch.cat([layer.bias for layer in layers])

    def predict(self, x: Tensor, statistics: Tensor) -> Tensor:
        """Noisy patches ``x`` [..., P] and the statistics [..., (3 * depth + 2) * dim] of their condition -> [..., P].

        Leading dimensions broadcast, so guidance copies share the embedding of x.
        """
        u = self.patch_embed.embed_patches(x)
        parts = statistics.chunk(3 * len(self.blocks) + 2, -1)
        for i, block in enumerate(self.blocks):
            u = block(u, *parts[3 * i : 3 * i + 3])
        return self.head(_modulate(u, *parts[-2:]))

    def forward(self, x: Tensor, timesteps: Tensor, z: Tensor) -> Tensor:
        """Noisy patches x [..., P], timesteps [...] and features z [..., D] of the same tokens -> [..., P]."""
        embed = self.time_cond_embed
        y = embed.condition_proj(z) + embed.timesteps(timesteps)
        return self.predict(x, self.statistics_layer()(F.silu(y)))


def _modulate(u: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    return F.layer_norm(u, u.shape[-1:], eps=1e-6) * (1 + scale) + shift
