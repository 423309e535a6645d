"""Layers of the causal 3D autoencoder."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class CausalConv3d(nn.Conv3d):
    """3D convolution that sees no future frame: the first frame is repeated in front, nothing is added behind.

    Space is zero padded as given. Input [B, C, T, H, W], output [B, C', ceil(T / stride), ...].
    """

    def __init__(self, width_in: int, width_out: int, kernel: int | tuple[int, int, int] = 3, stride: int = 1, pad=1):
        super().__init__(width_in, width_out, kernel, stride, (0, pad, pad))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        extra = self.kernel_size[0] - 1
        if extra:
            x = torch.cat([x[:, :, :1].expand(-1, -1, extra, -1, -1), x], dim=2)
        return super().forward(x)


def conv(ndim: int, width_in: int, width_out: int, kernel: int = 3, stride: int = 1, pad: int = 1) -> nn.Module:
    """A causal 3D convolution or a plain 2D one."""
    if ndim == 3:
        return CausalConv3d(width_in, width_out, kernel, stride, pad)
    return nn.Conv2d(width_in, width_out, kernel, stride, pad)


class ResBlock(nn.Module):
    """Residual block: shortcut(x) + conv2(SiLU(norm2(conv1(SiLU(norm1(x))))))."""

    def __init__(self, ndim: int, width_in: int, width_out: int, groups: int):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, width_in, eps=1e-6)
        self.conv1 = conv(ndim, width_in, width_out)
        self.norm2 = nn.GroupNorm(groups, width_out, eps=1e-6)
        self.conv2 = conv(ndim, width_out, width_out)
        if width_in != width_out:
            self.conv_shortcut = conv(ndim, width_in, width_out, kernel=1, pad=0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return h + (self.conv_shortcut(x) if hasattr(self, "conv_shortcut") else x)


class Attention(nn.Module):
    """Single-head self-attention over the positions of each frame; the caller adds the residual.

    The normalization before it still takes its statistics over all frames.
    """

    def __init__(self, width: int, groups: int):
        super().__init__()
        self.group_norm = nn.GroupNorm(groups, width, eps=1e-6)
        self.to_q = nn.Linear(width, width)
        self.to_k = nn.Linear(width, width)
        self.to_v = nn.Linear(width, width)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        frames = fold_frames(self.group_norm(x))
        tokens = frames.flatten(2).transpose(1, 2).unsqueeze(1)
        q, k, v = self.to_q(tokens), self.to_k(tokens), self.to_v(tokens)
        out = self.to_out[0](F.scaled_dot_product_attention(q, k, v)).squeeze(1)
        return unfold_frames(out.transpose(1, 2).reshape(frames.shape), x.shape[0])


class MidBlock(nn.Module):
    """ResBlock, attention, ResBlock at the lowest resolution."""

    def __init__(self, width: int, groups: int):
        super().__init__()
        self.resnets = nn.ModuleList([ResBlock(3, width, width, groups) for _ in range(2)])
        self.attentions = nn.ModuleList([Attention(width, groups)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.resnets[0](x)
        return self.resnets[1](x + self.attentions[0](x))


def fold_frames(x: torch.Tensor) -> torch.Tensor:
    """[B, C, T, H, W] -> [B * T, C, H, W]."""
    return x.transpose(1, 2).flatten(0, 1)


def unfold_frames(x: torch.Tensor, batch: int) -> torch.Tensor:
    """[B * T, C, H, W] -> [B, C, T, H, W]."""
    return x.unflatten(0, (batch, -1)).transpose(1, 2)


class Downsample(nn.Module):
    """Halve height and width (2D) or also time (3D); one zero row and column are added at the bottom and right."""

    def __init__(self, ndim: int, width: int):
        super().__init__()
        self.conv = conv(ndim, width, width, stride=2, pad=0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class UpsampleVideo(nn.Module):
    """Double height, width and time, except that the first frame stays one frame: T -> 2T - 1."""

    def __init__(self, width: int):
        super().__init__()
        self.conv = CausalConv3d(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = F.interpolate(x[:, :, :1], scale_factor=(1, 2, 2), mode="trilinear")
        if x.shape[2] > 1:
            rest = F.interpolate(x[:, :, 1:], scale_factor=(2, 2, 2), mode="trilinear")
            first = torch.cat([first, rest], dim=2)
        return self.conv(first)


class UpsampleSpace(nn.Module):
    """Double height and width only: nearest neighbour, then a convolution within each frame."""

    def __init__(self, width: int):
        super().__init__()
        self.conv = CausalConv3d(width, width, (1, 3, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(F.interpolate(x, scale_factor=(1, 2, 2), mode="nearest"))
