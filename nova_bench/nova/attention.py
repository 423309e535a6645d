"""Multi-head attention with an optional preallocated key-value cache."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nova_bench.kernels.arguments import linear
from nova_bench.kernels.layers import attend, attention, is_fast
from nova_bench.nova.positions import rotate


class KeyValueCache:
    """Keys (after rotation) and values one layer has seen, in buffers made once: [rows, heads, capacity, d]."""

    def __init__(self, rows: int, heads: int, capacity: int, head_dim: int, dtype: torch.dtype, device: torch.device):
        self.keys = torch.empty(rows, heads, capacity, head_dim, dtype=dtype, device=device)
        self.values = torch.empty_like(self.keys)
        self.length = 0

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add new tokens [rows, heads, S, d] and return everything seen so far, as views."""
        end = self.length + keys.shape[2]
        self.keys[:, :, self.length : end] = keys
        self.values[:, :, self.length : end] = values
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]


class Attention(nn.Module):
    """softmax(q k^T / sqrt(d)) v with one joint projection (rows of ``qkv`` ordered q, k, v) and one output layer."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.is_split = False

    def split(self) -> None:
        """Hold the joint projection as two layers, for a block that mostly needs the queries of a few tokens only.

        For generation: checkpoints know the joint one.
        """
        weight, bias = self.qkv.weight, self.qkv.bias
        dim = weight.shape[1]
        self.query, self.key_value = linear(weight[:dim], bias[:dim]), linear(weight[dim:], bias[dim:])
        del self.qkv
        self.is_split = True

    def forward(
        self,
        x: Tensor,
        rotary: Tensor | None = None,
        mask: Tensor | None = None,
        cache: KeyValueCache | None = None,
        queries: slice | None = None,
        projected: Tensor | None = None,
    ) -> Tensor:
        """``x`` [B, S, D] -> [B, S or len(queries), D].

        ``rotary`` is a table of :func:`rotary_table` for the S tokens; ``mask`` [S, S] is added to the scores; with
        ``cache`` the S tokens also attend to everything cached; with ``queries`` only those tokens get an output.
        ``projected`` [B, S, 3D] is what ``qkv`` makes of x, if that is known already; not together with ``queries``.
        """
        if not self.is_split and all(option is None for option in (rotary, mask, cache, queries, projected)):
            return self.proj(attention([self.qkv], x, self.heads))
        q, k, v = self._project(x, queries) if projected is None else self._heads(projected, 3)
        if mask is not None and queries is not None:
            mask = mask[queries]
        if rotary is not None:
            q = rotate(q, rotary if queries is None else rotary[..., queries, :])
            k = rotate(k, rotary)
        if cache is not None:
            k, v = cache.append(k, v)
        if mask is not None:
            out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)
        else:
            out = attend(q, k, v, fast=is_fast(self.proj))
        return self.proj(out)

    def _project(self, x: Tensor, queries: slice | None) -> tuple[Tensor, ...]:
        """Queries (of the tokens ``queries`` or of all), keys and values [B, heads, tokens, d] of x [B, S, D]."""
        if queries is None and not self.is_split:
            return self._heads(self.qkv(x), 3)
        chosen = x if queries is None else x[:, queries]
        if self.is_split:
            query, rest = self.query(chosen), self.key_value(x)
        else:
            dim = x.shape[-1]
            weight, bias = self.qkv.weight, self.qkv.bias
            query, rest = F.linear(chosen, weight[:dim], bias[:dim]), F.linear(x, weight[dim:], bias[dim:])
        return *self._heads(query, 1), *self._heads(rest, 2)

    def _heads(self, x: Tensor, parts: int) -> tuple[Tensor, ...]:
        """[B, S, parts * D] -> ``parts`` tensors [B, heads, S, d]."""
        batch, tokens, _ = x.shape
        return x.view(batch, tokens, parts, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
