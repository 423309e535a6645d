"""Attention in compiled code, for AVX-512 and AVX2: the softmax is computed while scores are in the first cache."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from nova_bench.kernels.arguments import Heads, readable_heads
from nova_bench.kernels.simd.library import library, required_library
from nova_bench.kernels.simd.memory import empty, room

_LANES = 16
_WIDEST_HEAD = 128  # channels, as in attention.c
_FEWEST_QUERIES = 16  # the compiled code takes 14 or 6 at a time


def takes_heads(query: Tensor) -> bool:
    """Whether :func:`vector_attention` can and should take heads [N, heads, queries, d] of this size."""
    channels, queries = query.shape[-1], query.shape[2]
    return channels % _LANES == 0 and channels <= _WIDEST_HEAD and queries >= _FEWEST_QUERIES and library() is not None


def vector_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(query key^T / sqrt(d)) value: [N, heads, tokens, d] each, with any strides -> [N, queries, heads * d].

    d is a multiple of 16, at most 128; queries may be fewer than keys.
    """
    parts = readable_heads(query, key, value)
    images, heads, queries, channels = query.shape
    tokens, threads = key.shape[2], torch.get_num_threads()
    out = empty(images, queries, heads * channels)
    size = required_library().attention_room(tokens, channels)
    required_library().attention(
        *(ctypes.byref(Heads(part)) for part in parts),
        *(images, heads, queries, tokens, channels, out.data_ptr(), room(threads * size), size, threads),
    )
    return out
