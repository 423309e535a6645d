"""Adaptive LayerNorm, and the scale-and-shift layer made of it (Section 3.3, App. A)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class AdaLayerNorm(nn.Module):
    """norm(x) * (1 + scale(z)) + shift(z), with scale and shift linear in SiLU(z), optionally of low rank.

    ``chunks`` statistics are computed from z: scale, shift and, beyond two, gates, which are returned.
    """

    def __init__(self, dim: int, rank: int = 0, chunks: int = 2):
        super().__init__()
        self.chunks = chunks
        if rank > 0:
            self.lora = nn.Linear(dim, rank, bias=False)
        self.proj = nn.Linear(rank if rank > 0 else dim, chunks * dim)

    def statistics(self, z: Tensor) -> tuple[Tensor, ...]:
        """The ``chunks`` tensors [..., dim] that condition ``z`` [..., dim] gives."""
        z = F.silu(z)
        if hasattr(self, "lora"):
            z = self.lora(z)
        return self.proj(z).chunk(self.chunks, -1)


class ScaleShift(AdaLayerNorm):
    """The mixer: the first frame's features (anchor), scaled and shifted by the current frame's.

    ``rank`` is the inner rank; negative for full rank. For the first frame the model uses scale 1 and shift 0,
    i.e. the anchor itself. The paper draws a LayerNorm on the anchor; in the published network that is the
    temporal encoder's final LayerNorm.
    """

    def __init__(self, dim: int, rank: int):
        super().__init__(dim, rank=max(rank, 0), chunks=2)

    def forward(self, anchor: Tensor, current: Tensor) -> Tensor:
        """anchor, current [..., D] -> [..., D]."""
        scale, shift = self.statistics(current)
        return anchor * (1 + scale) + shift
