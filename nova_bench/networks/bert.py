"""BERT's layers (Devlin et al., 2019, arXiv 1810.04805) under their official names, with keys and values kept.

GRiT, Tag2Text and mPLUG are made of them.
"""

from __future__ import annotations

from copy import copy
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-12  # of the layer norms


class KeysValues:
    """Keys and values [N, heads, tokens, channels] of one layer's tokens so far, in memory for ``room`` tokens."""

    def __init__(self, rows: int, heads: int, room: int, channels: int, like: Tensor):
        self._keys = like.new_empty(rows, heads, room, channels)
        self._values = torch.empty_like(self._keys)
        self.length = 0

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add tokens; return keys and values of all."""
        start, self.length = self.length, self.length + keys.shape[2]
        self._keys[:, :, start : self.length] = keys
        self._values[:, :, start : self.length] = values
        return self._keys[:, :, : self.length], self._values[:, :, : self.length]

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows, in this order; a row may be repeated."""
        self._keys, self._values = self._keys[rows], self._values[rows]


class Projections(nn.Module):
    """Query, key and value, officially called ``self``. ``memory``: width of what keys and values are made of."""

    def __init__(self, width: int, memory: int):
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(memory, width)
        self.value = nn.Linear(memory, width)


class AddAndNorm(nn.Module):
    """A linear layer on ``x``, plus ``before``, normalized."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.dense = nn.Linear(inputs, outputs)
        self.LayerNorm = nn.LayerNorm(outputs, eps=EPSILON)

    def forward(self, x: Tensor, before: Tensor) -> Tensor:
        return self.LayerNorm(self.dense(x) + before)


class Attention(nn.Module):
    """Multi-head attention with its residual and norm: [N, tokens, width] -> the same shape."""

    def __init__(self, width: int, heads: int, memory: int | None = None):
        super().__init__()
        self.heads = heads
        self.self = Projections(width, memory or width)
        self.output = AddAndNorm(width, width)

    def with_heads(self, heads: int) -> Attention:
        """The same weights, divided among another number of heads."""
        shared = copy(self)
        shared.heads = heads
        return shared

    def keys_values(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values [N, heads, tokens, channels] of states [N, tokens, width]."""
        return self._by_head(self.self.key(states)), self._by_head(self.self.value(states))

    def queries(self, x: Tensor) -> Tensor:
        """[N, tokens, width] -> [N, heads, tokens, channels]."""
        return self._by_head(self.self.query(x))

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """``mask``: added to the logits, or True where a key is seen; broadcast to [N, heads, tokens, keys].

        ``x`` may have one row for all N of the keys.
        """
        query = self.queries(x).expand(len(keys), -1, -1, -1)
        mixed = F.scaled_dot_product_attention(query, keys, values, attn_mask=mask)
        return self.output(mixed.transpose(1, 2).flatten(2), x)

    def _by_head(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.heads, x.shape[2] // self.heads)).transpose(1, 2)


class Intermediate(nn.Module):
    """The wide half of the feed-forward network."""

    def __init__(self, width: int, inner: int):
        super().__init__()
        self.dense = nn.Linear(width, inner)
        self.activation = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.dense(x))


class Layer(nn.Module):
    """Self-attention, attention to a memory if ``memory`` gives its width, feed-forward network; each with its norm."""

    def __init__(self, width: int, heads: int, inner: int, memory: int | None = None):
        super().__init__()
        self.attention = Attention(width, heads)
        if memory is not None:
            self.crossattention = Attention(width, heads, memory)
        self.intermediate = Intermediate(width, inner)
        self.output = AddAndNorm(inner, width)

    def forward(
        self,
        x: Tensor,
        past: KeysValues | None = None,
        mask: Tensor | None = None,
        memory: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """[N, tokens, width] -> the same shape.

        The tokens see one another as ``mask`` says, and the tokens in ``past``, which they join. ``memory``: keys and
        values that the cross-attention reads, all of them, from its :meth:`Attention.keys_values`; they may have fewer
        rows than ``x``, each for as many successive rows (the beams of one image).
        """
        keys, values = self.attention.keys_values(x)
        if past is not None:
            keys, values = past.append(keys, values)
        x = self.attention(x, keys, values, mask)
        if memory is not None:
            joined = x.reshape(len(memory[0]), -1, x.shape[-1])
            x = self.crossattention(joined, *memory).view_as(x)
        return self.output(self.intermediate(x), x)


class Encoder(nn.Module):
    """Layers under their official name ``layer``."""

    def __init__(self, layers: list[Layer]):
        super().__init__()
        self.layer = nn.ModuleList(layers)

    @property
    def layers(self) -> list[Layer]:
        """The layers, in order."""
        return cast("list[Layer]", list(self.layer))
