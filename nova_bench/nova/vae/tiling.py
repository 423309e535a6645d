"""Run an autoencoder in overlapping spatial tiles to bound its memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from nova_bench.nova.errors import ArrangementError


def tile_starts(length: int, tile: int, step: int) -> list[int]:
    """First positions of tiles that cover ``length``; the last one ends exactly at the border."""
    if length <= tile:
        return [0]
    return [*range(0, length - tile, step), length - tile]


@dataclass(frozen=True)
class SpatialTiling:
    """Side and overlap of square tiles, both in latent pixels."""

    tile: int
    overlap: int

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < self.tile:
            raise ArrangementError(f"tiling needs 0 <= overlap < tile, got tile {self.tile}, overlap {self.overlap}")

    def apply(
        self, function: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, stride: int, up: bool
    ) -> torch.Tensor:
        """Apply ``function`` tile by tile over the last two dimensions and blend linearly.

        Args:
            function: encodes (sizes divided by ``stride``) or decodes (sizes multiplied by it).
            x: pixels when encoding, latents when decoding.
            stride: pixels per latent.
            up: whether ``function`` decodes.
        """
        unit_in, unit_out = (1, stride) if up else (stride, 1)
        height, width = x.shape[-2] // unit_in, x.shape[-1] // unit_in
        step = self.tile - self.overlap
        sums: tuple[torch.Tensor, torch.Tensor] | None = None
        for top in tile_starts(height, self.tile, step):
            for left in tile_starts(width, self.tile, step):
                rows = slice(top * unit_in, (top + self.tile) * unit_in)
                columns = slice(left * unit_in, (left + self.tile) * unit_in)
                part = function(x[..., rows, columns])
                ramp = self._ramp(part.shape[-2:], unit_out, part)
                if sums is None:
                    size = (height * unit_out, width * unit_out)
                    sums = part.new_zeros(*part.shape[:-2], *size), part.new_zeros(size, dtype=torch.float32)
                total, weight = sums
                y, x0 = top * unit_out, left * unit_out
                area = (..., slice(y, y + part.shape[-2]), slice(x0, x0 + part.shape[-1]))
                total[area] += part * ramp.to(part.dtype)
                weight[area] += ramp
        return total / weight.to(total.dtype)

    def _ramp(self, size: torch.Size, unit: int, like: torch.Tensor) -> torch.Tensor:
        """Weights [rows, columns]: 1 inside, falling linearly to the border over the overlap."""
        axes = []
        for length in size:
            distance = torch.arange(1, length + 1, device=like.device, dtype=torch.float32)
            distance = torch.minimum(distance, distance.flip(0))
            axes.append((distance / (self.overlap * unit + 1)).clamp(max=1.0))
        return axes[0][:, None] * axes[1]
