"""Token positions: added sinusoids in space and time, or rotations of queries and keys (RoPE)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def sinusoid(positions: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """sin and cos of ``positions`` times 10000^(-j/count), j < count; each [*positions.shape, count], float32."""
    exponent = torch.arange(count, dtype=torch.float32, device=positions.device) / count
    angle = positions.float()[..., None] * (10000.0**-exponent)
    return angle.sin(), angle.cos()


def sin_cos(positions: Tensor, dim: int = 256) -> Tensor:
    """concat[sin, cos] features of real numbers, [*positions.shape, dim] float32 (time, motion flow, frame rate)."""
    return torch.cat(sinusoid(positions, dim // 2), -1)


def timestep_features(timesteps: Tensor, dim: int = 256) -> Tensor:
    """concat[cos, sin] features of diffusion timesteps, [*timesteps.shape, dim] float32."""
    half = dim // 2
    frequency = torch.exp(-math.log(10000.0) * torch.arange(half, device=timesteps.device, dtype=torch.float32) / half)
    angle = timesteps.float()[..., None] * frequency
    return torch.cat((angle.cos(), angle.sin()), -1)


def grid(rows: int, columns: int, device: torch.device | str | None = None) -> Tensor:
    """(y, x) of every token of a frame, row by row: [rows * columns, 2]."""
    y, x = torch.meshgrid(torch.arange(rows, device=device), torch.arange(columns, device=device), indexing="ij")
    return torch.stack((y.flatten(), x.flatten()), -1)


def space_embedding(dim: int, rows: int, columns: int, device: torch.device | str | None = None) -> Tensor:
    """Absolute position in a frame, [rows * columns, dim] float32: sin/cos of x first, then of y."""
    yx = grid(rows, columns, device)
    return torch.cat((*sinusoid(yx[:, 1], dim // 4), *sinusoid(yx[:, 0], dim // 4)), -1)


def rotary_angles(positions: Tensor, head_dim: int) -> Tensor:
    """Rotation angles of tokens at ``positions`` [..., 3] = (t, y, x): [..., head_dim / 2] float32.

    An eighth of the head's features rotates with t, the rest in equal halves with y and x.
    """
    time = head_dim // 8
    sizes = (time, (head_dim - time) // 2, (head_dim - time) // 2)
    angles = []
    for axis, size in enumerate(sizes):
        scale = torch.arange(0, size, 2, dtype=torch.float32, device=positions.device) / size
        angles.append(positions[..., axis].float()[..., None] * (1.0 / 10000.0**scale))
    return torch.cat(angles, -1)


def rotary_table(angles: Tensor, dtype: torch.dtype, padding: int = 0) -> Tensor:
    """cos and sin of ``angles`` [..., S, d/2] as [2, ..., padding + S, d/2]; ``padding`` leading tokens stay."""
    if padding:
        still = angles.new_zeros(*angles.shape[:-2], padding, angles.shape[-1])
        angles = torch.cat((still, angles), -2)
    return torch.stack((angles.cos(), angles.sin())).to(dtype)


def rotate(x: Tensor, table: Tensor) -> Tensor:
    """Rotate feature pairs (2i, 2i+1) of queries or keys ``x`` [B, heads, S, d] by ``table`` [2, B or 1, 1, S, d/2]."""
    cos, sin = table
    a, b = x.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)


class TimeEmbed(nn.Module):
    """Absolute position in time (``video_pos_embed``): sinusoid, two linear layers, LayerNorm."""

    def __init__(self, dim: int, base_length: int):
        super().__init__()
        self.base_length = base_length
        self.time_proj = nn.Sequential(nn.Linear(256, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.norm = nn.LayerNorm(dim)

    def forward(self, frames: Tensor) -> Tensor:
        """Embeddings of real frame positions [T], in units of the training frame distance: [T, 1, dim]."""
        features = sin_cos(frames).to(self.norm.weight.dtype)
        return self.norm(self.time_proj(features))[:, None]
