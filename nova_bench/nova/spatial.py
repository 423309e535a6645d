"""Spatial autoregressive modeling, token set by token set (Section 3.3): a masked autoencoder on one frame."""

from __future__ import annotations

import torch
from torch import Tensor

from nova_bench.nova.blocks import Encoder


class SpatialEncoder(Encoder):
    """``image_encoder``: its first half sees only known tokens, its second half all of them."""

    def forward(
        self, tokens: Tensor, condition: Tensor, visible: int, outputs: slice, rotary: Tensor | None = None
    ) -> Tensor:
        """Features of the tokens ``outputs``, [G*B, len(outputs), D].

        ``tokens`` [B, N, D] come in prediction order: the first ``visible`` are known, the others carry the mask token;
        positions are already added. ``condition`` [G*B, M, D] are the temporal features, guidance copies outermost;
        tokens are the same in every copy. ``rotary`` covers condition and tokens, in the same order.
        """
        m = condition.shape[1]
        tokens = tokens.repeat(condition.shape[0] // tokens.shape[0], 1, 1)
        half = len(self.blocks) // 2
        x = torch.cat((condition, tokens[:, :visible]), 1)
        early = rotary if rotary is None else rotary[..., : m + visible, :]
        for block in self.blocks[:half]:
            x = block(x, early)
        x = torch.cat((x, tokens[:, visible:]), 1)
        for block in self.blocks[half:-1]:
            x = block(x, rotary)
        x = self.blocks[-1](x, rotary, queries=slice(m + outputs.start, m + outputs.stop))
        return self.norm(x)
