"""Latent frames as sequences of patches, and the strided convolution that embeds them (Section 3.2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def patchify(x: Tensor, p: int) -> Tensor:
    """[..., C, h, w] -> [..., N, P]: tokens row by row; inside a token (dy, dx, channel), channel fastest."""
    *lead, c, h, w = x.shape
    x = x.reshape(-1, c, h // p, p, w // p, p).permute(0, 2, 4, 3, 5, 1)
    return x.reshape(*lead, (h // p) * (w // p), p * p * c)


def unpatchify(x: Tensor, p: int, height: int, width: int) -> Tensor:
    """Inverse of :func:`patchify`: [..., N, P] -> [..., C, height, width]."""
    *lead, _, values = x.shape
    c = values // (p * p)
    x = x.reshape(-1, height // p, width // p, p, p, c).permute(0, 5, 1, 3, 2, 4)
    return x.reshape(*lead, c, height, width)


class PatchEmbed(nn.Module):
    """Patches to features, stored as a convolution as in checkpoints (``proj.weight`` [out, C, p, p])."""

    def __init__(self, channels: int, dim: int, patch_size: int):
        super().__init__()
        self.patch_size = patch_size
        self.proj = nn.Conv2d(channels, dim, patch_size, patch_size)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, h, w] -> [B, (h/p)(w/p), dim]."""
        return self.proj(x).flatten(2).transpose(1, 2)

    def embed_patches(self, patches: Tensor) -> Tensor:
        """The same map on values that are already :func:`patchify`-ed: [..., P] -> [..., dim]."""
        return F.linear(patches, self.patch_weight(), self.proj.bias)

    def patch_weight(self) -> Tensor:
        """The kernel as the matrix [dim, P] that acts on patch values."""
        return self.proj.weight.permute(0, 2, 3, 1).flatten(1)


def gather_tokens(x: Tensor, index: Tensor) -> Tensor:
    """Tokens of ``x`` [B, N, F] in the order ``index`` [B, K]."""
    return x.gather(1, index[..., None].expand(-1, -1, x.shape[-1]))


def scatter_tokens(x: Tensor, index: Tensor) -> Tensor:
    """Inverse of :func:`gather_tokens` for a full permutation ``index`` [B, N]."""
    return torch.empty_like(x).scatter_(1, index[..., None].expand_as(x), x)
