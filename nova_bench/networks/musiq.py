"""MUSIQ image quality (Ke et al., ICCV 2021, arXiv 2108.05997), with one output, as trained on SPAQ."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nova_bench.kernels.layers import attention
from nova_bench.kernels.simd.norm import group_norm

_PATCH = 32
_GRID = 10  # positions per side in the weights
_LONGER_SIDES = (224, 384)  # at the two smaller scales; the third is the image itself
_STEM = 64
_WIDTH = 384
_MLP = 1152
_HEADS = 6
_DEPTH = 14
_TOGETHER = 96  # patches convolved at once on a CPU, so that their maps stay in its caches


@dataclass(frozen=True)
class Patches:
    """Patches of all scales: ``pixels`` [N, n, 3, 32, 32]; ``positions`` and ``scales`` are indices, [n]."""

    pixels: Tensor
    positions: Tensor
    scales: Tensor


def multiscale_patches(images: Tensor) -> Patches:
    """Cut [N, 3, H, W] in -1 to 1 into 32 x 32 patches at three scales, with borders filled with zeros.

    The original pads each smaller scale's list to a fixed length with masked patches. A masked patch has a weight of
    exp(-1000) = 0 in attention and its output is never read, so they are left out here.
    """
    longer = max(images.shape[-2:])
    scales = []
    for side in _LONGER_SIDES:
        ratio = side / longer
        size = tuple(round(length * ratio) for length in images.shape[-2:])
        scales.append(F.interpolate(images, size, mode="bicubic", align_corners=False))
    scales.append(images)
    pixels, positions, indices = [], [], []
    for index, scaled in enumerate(scales):
        rows, columns = (math.ceil(length / _PATCH) for length in scaled.shape[-2:])
        pixels.append(_cut(scaled, rows, columns))
        positions.append((_hashed(rows)[:, None] * _GRID + _hashed(columns)).flatten())
        indices.append(torch.full((rows * columns,), index))
    return Patches(
        torch.cat(pixels, dim=1), torch.cat(positions).to(images.device), torch.cat(indices).to(images.device)
    )


def bytes_per_frame(height: int, width: int) -> float:
    """Memory for one frame of that size: the convolutions' activations of its patches, and the frame itself."""
    longest = min(512, max(height, width))
    sides = (*_LONGER_SIDES, longest)
    shares = [side / max(height, width) for side in sides]
    patches = sum(math.ceil(height * share / _PATCH) * math.ceil(width * share / _PATCH) for share in shares)
    return 4 * (patches * 6 * _STEM * (_PATCH // 2) ** 2 + 3 * height * width)


def _hashed(count: int) -> Tensor:
    """Indices of the ``_GRID`` positions that ``count`` patches map to."""
    return (
        F.interpolate(torch.arange(_GRID, dtype=torch.float32).view(1, 1, -1), count, mode="nearest").flatten().long()
    )


def _cut(images: Tensor, rows: int, columns: int) -> Tensor:
    """[N, 3, H, W] -> [N, rows * columns, 3, 32, 32]."""
    height, width = images.shape[-2:]
    down, across = rows * _PATCH - height, columns * _PATCH - width
    padded = F.pad(images, (across // 2, across - across // 2, down // 2, down - down // 2))
    cells = padded.view(len(images), 3, rows, _PATCH, columns, _PATCH)
    return cells.permute(0, 2, 4, 1, 3, 5).reshape(len(images), rows * columns, 3, _PATCH, _PATCH)


def _same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Padding before and after, as for TensorFlow's SAME."""
    total = max(0, (math.ceil(size / stride) - 1) * stride + kernel - size)
    return total // 2, total - total // 2


class Bottleneck(nn.Module):
    """[N, 64, 8, 8] -> [N, 256, 8, 8]."""

    def __init__(self):
        super().__init__()
        outputs = 4 * _STEM
        self.conv1, self.gn1 = nn.Conv2d(_STEM, _STEM, 1, bias=False), nn.GroupNorm(32, _STEM, eps=1e-4)
        self.conv2, self.gn2 = nn.Conv2d(_STEM, _STEM, 3, padding=1, bias=False), nn.GroupNorm(32, _STEM, eps=1e-4)
        self.conv3, self.gn3 = nn.Conv2d(_STEM, outputs, 1, bias=False), nn.GroupNorm(32, outputs, eps=1e-4)
        self.conv_proj, self.gn_proj = nn.Conv2d(_STEM, outputs, 1, bias=False), nn.GroupNorm(32, outputs, eps=1e-4)

    def forward(self, x: Tensor) -> Tensor:
        y = group_norm(self.gn1, self.conv1(x))
        y = group_norm(self.gn2, self.conv2(y))
        return group_norm(self.gn3, self.conv3(y), group_norm(self.gn_proj, self.conv_proj(x), relu=False))


class Attention(nn.Module):
    """Multi-head self-attention on [N, tokens, width]; returns the first ``wanted`` tokens."""

    def __init__(self):
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(_WIDTH, _WIDTH) for _ in range(4))

    def forward(self, x: Tensor, wanted: int | None = None) -> Tensor:
        return self.out(attention([self.query, self.key, self.value], x, _HEADS, wanted))


class MLP(nn.Module):
    """Two layers with exact GELU."""

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(_WIDTH, _MLP)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(_MLP, _WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))


class Block(nn.Module):
    """Pre-norm transformer block; returns the first ``wanted`` tokens."""

    def __init__(self):
        super().__init__()
        self.norm1 = nn.LayerNorm(_WIDTH, eps=1e-6)
        self.attention = Attention()
        self.norm2 = nn.LayerNorm(_WIDTH, eps=1e-6)
        self.mlp = MLP()

    def forward(self, x: Tensor, wanted: int | None = None) -> Tensor:
        x = x[:, :wanted] + self.attention(self.norm1(x), wanted)
        return x + self.mlp(self.norm2(x))


class Embedding(nn.Module):
    """One table, under its official name."""

    def __init__(self, name: str, *shape: int):
        super().__init__()
        self._name = name
        self.register_parameter(name, nn.Parameter(torch.zeros(*shape)))

    @property
    def table(self) -> Tensor:
        """The parameter."""
        return self.get_parameter(self._name)


class Encoder(nn.Module):
    """Adds positions, scales and the class token; returns the class token's final features, [N, width]."""

    def __init__(self):
        super().__init__()
        self.cls = nn.Parameter(torch.zeros(1, 1, _WIDTH))
        self.posembed_input = Embedding("position_emb", 1, _GRID**2, _WIDTH)
        self.scaleembed_input = Embedding("scale_emb", len(_LONGER_SIDES) + 1, _WIDTH)
        self.encoder_norm = nn.LayerNorm(_WIDTH, eps=1e-6)
        self.transformer = nn.ModuleDict({f"encoderblock_{index}": Block() for index in range(_DEPTH)})

    def forward(self, x: Tensor, positions: Tensor, scales: Tensor) -> Tensor:
        x = x + self.posembed_input.table[0, positions] + self.scaleembed_input.table[scales]
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], dim=1)
        *blocks, last = self.transformer.values()
        for block in blocks:
            x = block(x)
        return self.encoder_norm(last(x, wanted=1)[:, 0])


class MUSIQ(nn.Module):
    """[N, 3, H, W] in 0-1 -> quality [N], 0 to 100 on SPAQ."""

    def __init__(self):
        super().__init__()
        self.conv_root, self.gn_root = nn.Conv2d(3, _STEM, 7, stride=2, bias=False), nn.GroupNorm(32, _STEM, eps=1e-6)
        self.block1 = Bottleneck()
        self.embedding = nn.Linear(4 * _STEM * (_PATCH // 4) ** 2, _WIDTH)
        self.transformer_encoder = Encoder()
        self.head = nn.Linear(_WIDTH, 1)

    def embed(self, pixels: Tensor) -> Tensor:
        """[N, n, 3, 32, 32] -> [N, n, width]."""
        patches = pixels.flatten(0, 1)
        together = _TOGETHER if pixels.device.type == "cpu" else len(patches)
        embedded = [self.embedding(self.convolve(part)) for part in patches.split(together)]
        return torch.cat(embedded).view(*pixels.shape[:2], -1)

    def convolve(self, patches: Tensor) -> Tensor:
        """[n, 3, 32, 32] -> [n, 8 * 8 * 256], channels last and padded as in TensorFlow."""
        x = self.conv_root(F.pad(patches, _same(_PATCH, 7, 2) * 2))
        x = x.contiguous(memory_format=torch.channels_last)  # pooling is then ten times faster on a CPU
        x = group_norm(self.gn_root, x)
        x = self.block1(F.max_pool2d(x, 3, 2, ceil_mode=True))  # nothing is below 0, so padding changes nothing
        return x.permute(0, 2, 3, 1).flatten(1)

    def forward(self, images: Tensor) -> Tensor:
        patches = multiscale_patches((images - 0.5) * 2)
        features = self.transformer_encoder(self.embed(patches.pixels), patches.positions, patches.scales)
        return self.head(features)[:, 0]

    @staticmethod
    def official_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """An official file's tensors by this module's keys; convolution kernels are standardized here once."""
        named = {key.removeprefix("module."): value for key, value in state.items()}
        for key, weight in named.items():
            if weight.dim() == 4:
                centred = weight - weight.mean((1, 2, 3), keepdim=True)
                named[key] = centred / (centred.std((1, 2, 3), keepdim=True) + 1e-5)
        return named
