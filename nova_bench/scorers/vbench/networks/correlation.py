"""All-pairs correlation between two feature maps, as RAFT looks it up and AMT does in both directions."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from nova_bench.scorers.vbench.sliced.library import library

LEVELS = 4


def all_pairs(first: Tensor, second: Tensor) -> Tensor:
    """Scaled dot products of all positions: [B, C, h, w] twice -> [B, h * w, h * w] (first, second)."""
    channels = first.shape[1]
    return torch.matmul((first / channels**0.5).flatten(2).transpose(1, 2), second.flatten(2))


def pyramid(correlation: Tensor, height: int, width: int) -> list[Tensor]:
    """[B, n, height * width] -> ``LEVELS`` maps [B * n, 1, height / 2**i, width / 2**i], averaged in 2 x 2 cells."""
    levels = [correlation.reshape(-1, height, width)]
    for _ in range(LEVELS - 1):  # as channels of one image: images of one channel are pooled many times more slowly
        levels.append(F.avg_pool2d(levels[-1], 2))
    return [level.unsqueeze(1) for level in levels]


def lookup(levels: list[Tensor], positions: Tensor, radius: int) -> Tensor:
    """Bilinear samples around ``positions``: [B, 2, h, w] (x, y) -> [B, LEVELS * (2 * radius + 1)**2, h, w].

    A level of one row or column makes every result NaN (a division by zero), as in the official code. The window's
    first axis runs along x: the official code adds its (y, x) offsets to (x, y) positions, and weights expect that.
    """
    # Level by level each position's window is a row: channels last.
    batch, _, height, width = positions.shape
    centres = positions.permute(0, 2, 3, 1).reshape(-1, 2).contiguous()
    sample = _compiled if _can_be_compiled(levels, positions) else _sampled
    return sample(levels, centres, radius).view(batch, height, width, -1).permute(0, 3, 1, 2)


def _sampled(levels: list[Tensor], centres: Tensor, radius: int) -> Tensor:
    steps = torch.arange(-radius, radius + 1, device=centres.device, dtype=centres.dtype)
    window = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), dim=-1)
    sampled = []
    for index, level in enumerate(levels):
        rows, columns = level.shape[-2:]
        x, y = (centres.view(-1, 1, 1, 2) / 2**index + window).unbind(-1)
        grid = torch.stack([2 * x / (columns - 1) - 1, 2 * y / (rows - 1) - 1], dim=-1)
        sampled.append(F.grid_sample(level, grid, align_corners=True).view(len(centres), -1))
    return torch.cat(sampled, dim=-1)


def _can_be_compiled(levels: list[Tensor], positions: Tensor) -> bool:
    """Whether the compiled code can take the samples: that of float32 on a CPU, of levels that give numbers at all."""
    measurable = min(levels[-1].shape[-2:]) > 1 and all(level.is_contiguous() for level in levels)
    return positions.device.type == "cpu" and positions.dtype == torch.float32 and measurable and library() is not None


def _compiled(levels: list[Tensor], centres: Tensor, radius: int) -> Tensor:
    window = (2 * radius + 1) ** 2
    out = centres.new_empty(len(centres), len(levels) * window)
    for index, level in enumerate(levels):
        library().sliced_lookup(
            *(level.data_ptr(), len(centres), *level.shape[-2:], centres.data_ptr(), 0.5**index, radius),
            *(out[:, index * window :].data_ptr(), out.stride(0), torch.get_num_threads()),
        )
    return out


def position_grid(batch: int, height: int, width: int, device: torch.device) -> Tensor:
    """[batch, 2, height, width]: each position's own (x, y)."""
    y, x = torch.meshgrid(
        torch.arange(height, device=device, dtype=torch.float32),
        torch.arange(width, device=device, dtype=torch.float32),
        indexing="ij",
    )
    return torch.stack([x, y]).expand(batch, -1, -1, -1)
