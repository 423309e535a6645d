"""The blocks of plain vision transformers (Dosovitskiy et al., 2021, arXiv 2010.11929), under timm's names."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nova_bench.kernels.layers import attention

_HEAD = 64  # channels per attention head
EPSILON = 1e-6  # of the layer norms


class Attention(nn.Module):
    """Multi-head self-attention on [N, tokens, width]; returns the first ``wanted`` tokens."""

    def __init__(self, width: int):
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, wanted: int | None = None) -> Tensor:
        return self.proj(attention([self.qkv], x, x.shape[-1] // _HEAD, wanted))


class KeylessBiasAttention(Attention):
    """Attention whose official weights have a bias for query and value, and none for the key."""

    def __init__(self, width: int):
        super().__init__(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(width))
        self.v_bias = nn.Parameter(torch.zeros(width))

    def settle(self) -> None:
        """Make one bias of the two."""
        self.qkv.bias = nn.Parameter(torch.cat([self.q_bias, torch.zeros_like(self.v_bias), self.v_bias]))
        del self.q_bias, self.v_bias


def of_one_frame(convolution: nn.Module) -> nn.Conv2d:
    """The plain convolution into patches that equals one over videos whose kernel spans a single frame."""
    assert isinstance(convolution, nn.Conv3d)
    outputs, inputs, _, height, width = convolution.weight.shape
    plain = nn.Conv2d(inputs, outputs, (height, width), (height, width), device="meta")
    plain.weight, plain.bias = nn.Parameter(convolution.weight[:, :, 0]), convolution.bias
    return plain


class MLP(nn.Module):
    """Two layers with exact GELU."""

    def __init__(self, width: int):
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))


class Block(nn.Module):
    """Pre-norm transformer block on [N, tokens, width]; returns the first ``wanted`` tokens."""

    def __init__(self, width: int, attention: type[Attention] = Attention):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=EPSILON)
        self.attn = attention(width)
        self.norm2 = nn.LayerNorm(width, eps=EPSILON)
        self.mlp = MLP(width)

    def forward(self, x: Tensor, wanted: int | None = None) -> Tensor:
        x = x[:, :wanted] + self.attn(self.norm1(x), wanted)
        return x + self.mlp(self.norm2(x))
