"""Spatial autoregressive modeling, token set by token set (Section 3.3): a masked autoencoder on one frame."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from nova_bench.nova.blocks import Block, Encoder


class SpatialEncoder(Encoder):
    """``image_encoder``: its first half sees only known tokens, its second half all of them."""

    def forward(
        self,
        tokens: Tensor,
        condition: Tensor,
        visible: int,
        outputs: slice,
        rotary: Tensor | None = None,
        cache: SpatialCache | None = None,
    ) -> Tensor:
        """Features of the tokens ``outputs``, [G*B, len(outputs), D].

        ``tokens`` [B, N, D] come in prediction order: the first ``visible`` are known, the others carry the mask token;
        positions are already added. ``condition`` [G*B, M, D] are the temporal features, guidance copies outermost;
        tokens are the same in every copy. ``rotary`` covers condition and tokens, in the same order. ``cache`` holds
        what the steps before have projected.
        """
        m, copies = condition.shape[1], condition.shape[0] // tokens.shape[0]
        known, masked = (part.repeat(copies, 1, 1) for part in (tokens[:, :visible], tokens[:, visible:]))
        x = torch.cat((condition, known), 1)
        early = rotary if rotary is None else rotary[..., : m + visible, :]
        x = _run(self.early_blocks, x, early, None if cache is None else cache.early(condition, tokens[:, :visible]))
        projected = None if cache is None else cache.late(x, m)
        x = _run(self.late_blocks, torch.cat((x, masked), 1), rotary, projected)
        x = self.blocks[-1](x, rotary, queries=slice(m + outputs.start, m + outputs.stop))
        return self.norm(x)

    @property
    def early_blocks(self) -> nn.ModuleList:
        """The blocks of the first half."""
        return self.blocks[: len(self.blocks) // 2]

    @property
    def late_blocks(self) -> nn.ModuleList:
        """The blocks of the second half, without the last one, which computes the tokens predicted next alone."""
        return self.blocks[len(self.blocks) // 2 : -1]


class SpatialCache:
    """Queries, keys and values that a video's spatial steps share, where tokens enter the encoder.

    Condition and known tokens enter the first block, masked tokens the first block of the second half. What a block
    projects there doesn't depend on other tokens: a known token is projected once a frame, a masked one once a video.
    """

    def __init__(self, encoder: SpatialEncoder, masked: Tensor):
        """``masked`` [B, N, D]: all tokens in prediction order before any is known, positions added."""
        self._first, self._middle = _entry(encoder.early_blocks), _entry(encoder.late_blocks)
        self._masked = masked if self._middle is None else self._middle.project(masked)
        self._early: Tensor | None = None
        self._late: Tensor | None = None
        self.begin_frame()

    def begin_frame(self) -> None:
        """Forget the known tokens and the condition."""
        self._condition: Tensor | None = None
        self._known = 0
        if self._late is not None:
            self._place(self._late, self._masked)

    def early(self, condition: Tensor, known: Tensor) -> Tensor | None:
        """What the first block projects of ``condition`` [G*B, M, D] and ``known`` tokens [B, n, D]: [G*B, M+n, 3D].

        Only tokens that weren't known in the last step are projected, and the condition if it is another tensor than
        then. None if the first half has no blocks.
        """
        if self._first is None:
            return None
        m, n = condition.shape[1], known.shape[1]
        if self._early is None:
            self._early = self._room(condition, m)
        if condition is not self._condition:
            self._early[:, :m] = self._first.project(condition)
            self._condition = condition
        if n > self._known:
            self._place(self._early[:, : m + n], self._first.project(known[:, self._known :]))
            self._known = n
        return self._early[:, : m + n]

    def late(self, x: Tensor, m: int) -> Tensor | None:
        """What the second half's first block projects of all tokens, [G*B, M+N, 3D].

        ``x`` [G*B, M+n, D] is the first half's output, ``m`` the number of condition tokens in it. None if the second
        half has the last block only.
        """
        if self._middle is None:
            return None
        if self._late is None:
            self._late = self._room(x, m)
            self._place(self._late, self._masked)
        self._late[:, : x.shape[1]] = self._middle.project(x)
        return self._late

    def _room(self, like: Tensor, m: int) -> Tensor:
        return like.new_empty(len(like), m + self._masked.shape[1], 3 * like.shape[2])

    @staticmethod
    def _place(room: Tensor, values: Tensor) -> None:
        """Write ``values`` [B, n, 3D] to the last n tokens of every guidance copy."""
        room[:, room.shape[1] - values.shape[1] :] = values.repeat(len(room) // len(values), 1, 1)


def _entry(blocks: Iterable[nn.Module]) -> Block | None:
    """The block where tokens enter."""
    first = next(iter(blocks), None)
    assert first is None or isinstance(first, Block)
    return first


def _run(blocks: Iterable[nn.Module], x: Tensor, rotary: Tensor | None, projected: Tensor | None) -> Tensor:
    """Run blocks one after the other; ``projected`` is for the first one."""
    for block in blocks:
        x = block(x, rotary, projected=projected)
        projected = None
    return x
