"""Temporal autoregressive modeling, frame by frame (Section 3.2): the encoder and its running context."""

from __future__ import annotations

import torch
from torch import Tensor

from nova_bench.nova.attention import KeyValueCache
from nova_bench.nova.blocks import Encoder
from nova_bench.nova.mixer import ScaleShift


class TemporalEncoder(Encoder):
    """``video_encoder``: every block attends over the condition and the frames up to the current one."""

    def __init__(
        self,
        depth: int,
        dim: int,
        heads: int,
        channels: int,
        patch_size: int,
        norm_placement: str,
        mixer_rank: int | None = None,
    ):
        super().__init__(depth, dim, heads, channels, patch_size, norm_placement)
        self.mixer = ScaleShift(dim, mixer_rank) if mixer_rank else None

    def forward(
        self,
        tokens: Tensor,
        condition: Tensor | None = None,
        rotary: Tensor | None = None,
        mask: Tensor | None = None,
        caches: list[KeyValueCache] | None = None,
    ) -> Tensor:
        """Frame tokens [R, S, D], after condition tokens [R, L, D] if given -> features [R, S, D].

        ``rotary`` and ``mask`` cover condition and frame tokens. The last block computes no output for the condition,
        since it is never used.
        """
        skip = 0 if condition is None else condition.shape[1]
        x = tokens if condition is None else torch.cat((condition, tokens), 1)
        for i, block in enumerate(self.blocks):
            queries = slice(skip, x.shape[1]) if skip and i == len(self.blocks) - 1 else None
            x = block(x, rotary, mask, caches[i] if caches else None, queries)
        return self.norm(x)

    def make_caches(self, rows: int, capacity: int, dtype: torch.dtype, device: torch.device) -> list[KeyValueCache]:
        """An empty key-value cache for every block."""
        return [KeyValueCache(rows, self.heads, capacity, self.head_dim, dtype, device) for _ in self.blocks]


def block_causal_mask(condition: int, frames: int, tokens: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Additive mask [S, S], S = condition + frames * tokens: a frame sees itself, earlier frames and the condition.

    Condition tokens count as part of the first frame (spec: they and frame 0 see each other fully).
    """
    block = torch.arange(frames, device=device).repeat_interleave(tokens)
    block = torch.cat((block.new_zeros(condition), block))
    hidden = block[None, :] > block[:, None]
    return torch.zeros(hidden.shape, dtype=dtype, device=device).masked_fill_(hidden, float("-inf"))
