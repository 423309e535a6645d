"""Correlation between two feature maps, for RAFT's lookups and for AMT's in both directions.

The correlation of all pairs of positions grows with the square of the area (5.6 GiB between two 1080p frames), so it is
kept only if it is small. Otherwise each lookup computes the part it needs.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from nova_bench.core.device import free_cuda_bytes
from nova_bench.kernels.arguments import readable
from nova_bench.kernels.simd.library import library, required_library
from nova_bench.kernels.simd.linear import dot_products

LEVELS = 4
_TILE = 16  # positions per side of a tile in :class:`Windowed`
_KEPT_PER_LOOKUP = 2**24  # bytes on a CPU: beyond, correlating all pairs takes longer than it saves
_CUDA_SHARE = 0.7  # of free memory


def correlation(first: Tensor, second: Tensor, lookups: int) -> AllPairs | Windowed:
    """Correlation of two maps [B, C, h, w], in the form that suits their size and the number of lookups."""
    batch, _, height, width = first.shape
    return (AllPairs if bytes_kept(str(first.device), height, width, lookups, batch) else Windowed)(first, second)


def bytes_kept(device: str, height: int, width: int, lookups: int, batch: int = 1) -> float:
    """Bytes per batch item for the correlation of all positions; 0 if it is too large to be kept."""
    item = 4 * (height * width) ** 2 * sum(0.25**level for level in range(LEVELS))
    if device.startswith("cuda"):
        kept = batch * item <= free_cuda_bytes(device) * _CUDA_SHARE
    else:
        kept = item <= lookups * _KEPT_PER_LOOKUP
    return item if kept else 0.0


def all_pairs(first: Tensor, second: Tensor) -> Tensor:
    """Scaled dot products of all positions: [B, C, h, w] twice -> [B, h * w, h * w] (first, second)."""
    queries, keys = (features.flatten(2).transpose(1, 2) for features in (first / first.shape[1] ** 0.5, second))
    return dot_products(queries, keys)


def pyramid(features: Tensor) -> list[Tensor]:
    """[B, C, h, w] -> ``LEVELS`` maps [B, C, h / 2**i, w / 2**i], averaged over 2 x 2 cells.

    The official code averages correlations; a mean of correlations is the correlation with the mean of features.
    """
    levels = [features]
    for _ in range(LEVELS - 1):
        levels.append(F.avg_pool2d(levels[-1], 2))
    return levels


def all_levels(first: Tensor, second: Tensor) -> list[Tensor]:
    """:func:`all_pairs` with each level of the second map: [B * h * w, 1, h / 2**i, w / 2**i]."""
    return [all_pairs(first, level).view(-1, 1, *level.shape[-2:]) for level in pyramid(second)]


def lookup(levels: list[Tensor], positions: Tensor, radius: int) -> Tensor:
    """Bilinear samples around ``positions``: [B, 2, h, w] (x, y) -> [B, LEVELS * (2 * radius + 1)**2, h, w].

    A level of one row or column makes every result NaN (a division by zero), as in the official code. The window's
    first axis runs along x: the official code adds its (y, x) offsets to (x, y) positions, and weights expect that.
    """
    # In each level a position's window is a row: channels last.
    batch, _, height, width = positions.shape
    centres = positions.permute(0, 2, 3, 1).reshape(-1, 2).contiguous()
    return _samples(levels, [centres] * len(levels), radius).view(batch, height, width, -1).permute(0, 3, 1, 2)


class AllPairs:
    """Correlation computed once, for all pairs of positions of two maps [B, C, h, w]."""

    def __init__(self, first: Tensor, second: Tensor):
        self._levels = all_levels(first, second)

    def samples(self, positions: Tensor, radius: int) -> Tensor:
        """As :func:`lookup`."""
        return lookup(self._levels, positions, radius)


class Windowed:
    """The same correlation, computed at each lookup in the rectangles that contain its windows.

    Neighbouring positions mostly point to neighbouring places: a tile of them shares one product per level, with the
    smallest rectangle that contains all their windows, however large it is.
    """

    def __init__(self, first: Tensor, second: Tensor):
        self._queries, *self._levels = (
            features.permute(0, 2, 3, 1).contiguous() for features in (first / first.shape[1] ** 0.5, *pyramid(second))
        )

    def samples(self, positions: Tensor, radius: int) -> Tensor:
        """As :func:`lookup`."""
        batch, _, height, width = positions.shape
        out = positions.new_empty(batch, height, width, LEVELS * (2 * radius + 1) ** 2)
        centres = positions.permute(0, 2, 3, 1).contiguous()
        across = -(-width // _TILE)
        for index, rectangles in enumerate(self._rectangles(positions, radius)):
            item, tile = divmod(index, across * -(-height // _TILE))
            row, column = (_TILE * place for place in divmod(tile, across))
            place = (item, slice(row, row + _TILE), slice(column, column + _TILE))
            out[place] = self._of_tile(place, centres[place], rectangles, radius)
        return out.permute(0, 3, 1, 2)

    def _rectangles(self, positions: Tensor, radius: int) -> list[list[tuple[int, int, int, int]]]:
        """The rectangle that each tile of each item needs, by level: left, top, right and bottom.

        It has at least two columns and rows, if the map has as many: with fewer, samples would be NaN.
        """
        positions = positions.nan_to_num()  # NaN finds nothing, but would be the maximum of its tile
        highest = F.max_pool2d(positions, _TILE, ceil_mode=True)
        lowest = -F.max_pool2d(-positions, _TILE, ceil_mode=True)
        by_level = []
        for index, level in enumerate(self._levels):
            size = positions.new_tensor([level.shape[2], level.shape[1]]).view(1, 2, 1, 1)
            low = (lowest / 2**index).floor() - radius
            high = (highest / 2**index).floor() + radius + 2
            low = low.clamp(min=0).minimum((size - 2).clamp(min=0))
            high = high.minimum(size).maximum((low + 2).minimum(size))
            by_level.append(torch.cat([low, high], dim=1).flatten(2).transpose(1, 2).flatten(0, 1))
        return torch.stack(by_level, dim=1).long().tolist()

    def _of_tile(
        self, place: tuple[int, slice, slice], centres: Tensor, rectangles: list[tuple[int, int, int, int]], radius: int
    ) -> Tensor:
        """Samples [rows, columns, LEVELS * window] of one tile with its positions at ``centres``."""
        queries = self._queries[place].flatten(0, 1)
        levels, shifted = [], []
        for index, (left, top, right, bottom) in enumerate(rectangles):
            features = self._levels[index][place[0], top:bottom, left:right].flatten(0, 1)
            levels.append((queries @ features.t()).view(-1, 1, bottom - top, right - left))
            shifted.append((centres - centres.new_tensor([left * 2**index, top * 2**index])).view(-1, 2))
        return _samples(levels, shifted, radius).view(*centres.shape[:2], -1)


def _samples(levels: list[Tensor], centres: list[Tensor], radius: int) -> Tensor:
    """Samples of maps [n, 1, rows, columns] at [n, 2] positions per level, in the first level's units.

    The result is [n, levels * window].
    """
    return (_compiled if _can_be_compiled(levels, centres) else _sampled)(levels, centres, radius)


def _sampled(levels: list[Tensor], centres: list[Tensor], radius: int) -> Tensor:
    steps = torch.arange(-radius, radius + 1, device=centres[0].device, dtype=centres[0].dtype)
    window = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), dim=-1)
    sampled = []
    for index, (level, around) in enumerate(zip(levels, centres, strict=True)):
        rows, columns = level.shape[-2:]
        x, y = (around.view(-1, 1, 1, 2) / 2**index + window).unbind(-1)
        grid = torch.stack([2 * x / (columns - 1) - 1, 2 * y / (rows - 1) - 1], dim=-1)
        sampled.append(F.grid_sample(level, grid, align_corners=True).view(len(around), -1))
    return torch.cat(sampled, dim=-1)


def _can_be_compiled(levels: list[Tensor], centres: list[Tensor]) -> bool:
    """Whether the compiled code can take the samples: float32 on a CPU, and levels that don't make every result NaN."""
    measurable = min(levels[-1].shape[-2:]) > 1 and all(tensor.is_contiguous() for tensor in (*levels, *centres))
    return measurable and readable(centres[0]) and library() is not None


def _compiled(levels: list[Tensor], centres: list[Tensor], radius: int) -> Tensor:
    window = (2 * radius + 1) ** 2
    out = centres[0].new_empty(len(centres[0]), len(levels) * window)
    for index, (level, around) in enumerate(zip(levels, centres, strict=True)):
        required_library().lookup(
            *(level.data_ptr(), len(around), *level.shape[-2:], around.data_ptr(), 0.5**index, radius),
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
