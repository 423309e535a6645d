"""Swin transformers (Liu et al., ICCV 2021, arXiv 2103.14030), under their official names; Swin-B/384 for Tag2Text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nova_bench.kernels.arguments import linear
from nova_bench.networks.vit import MLP

_PATCH = 4
_APART = -100.0  # added to the logits of patches that a shifted window joins, though the image doesn't
_COMPUTED = ("relative_position_index", "attn_mask")  # of official files: they follow from the sizes


@dataclass(frozen=True)
class SwinConfig:
    """Sizes of the network. Each stage halves the resolution of the one before and doubles its width."""

    resolution: int = 384
    width: int = 128
    depths: tuple[int, ...] = (2, 2, 18, 2)
    heads: tuple[int, ...] = (4, 8, 16, 32)
    window: int = 12

    @property
    def features(self) -> int:
        """Width of the last stage."""
        return self.width * 2 ** (len(self.depths) - 1)

    @property
    def bytes_per_frame(self) -> float:
        """Memory for one image: activations of a block of the first stage."""
        return 4 * (self.resolution // _PATCH) ** 2 * 16 * self.width


class WindowAttention(nn.Module):
    """Multi-head self-attention within windows, with a bias per head and relative position.

    ``resolution``: patches per side of the image. ``shift``: by how many the windows are shifted; a shifted window at
    the border joins patches from opposite ends of the image, which don't see each other.
    """

    bias: Tensor

    def __init__(self, width: int, heads: int, window: int, resolution: int, shift: int):
        super().__init__()
        self._heads, self._window, self._resolution, self._shift = heads, window, resolution, shift
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def settle(self) -> None:
        """Look up what is added to the logits: [1, heads, tokens, tokens]; shifted, [1, windows * heads, ...]."""
        table = self.relative_position_bias_table.detach()
        by_head = table[_relative_positions(self._window)].permute(2, 0, 1)
        if self._shift:
            by_head = by_head + _apart(self._resolution, self._window, self._shift)[:, None]
        self.register_buffer("bias", by_head.flatten(0, -3)[None].contiguous(), persistent=False)
        del self.relative_position_bias_table

    def forward(self, x: Tensor) -> Tensor:
        """[N, windows, tokens, width] -> the same shape."""
        # [3, N, windows, heads, tokens, channels]
        joined = self.qkv(x).unflatten(-1, (3, self._heads, -1)).permute(3, 0, 1, 4, 2, 5)
        first = 1 if self._shift else 0  # without a shift all windows have one bias
        query, key, value = joined.flatten(first + 1, first + 2).unbind()
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=self.bias)
        mixed = mixed.unflatten(first, joined.shape[first + 1 : first + 3])
        return self.proj(mixed.transpose(2, 3).flatten(3))


class Block(nn.Module):
    """Pre-norm transformer block on [N, height, width, channels]."""

    def __init__(self, width: int, heads: int, window: int, resolution: int, shift: int):
        super().__init__()
        self._window, self._shift = window, shift
        self.norm1 = nn.LayerNorm(width)
        self.attn = WindowAttention(width, heads, window, resolution, shift)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = MLP(width)

    def forward(self, x: Tensor) -> Tensor:
        shift = self._shift
        inside = torch.roll(self.norm1(x), (-shift, -shift), (1, 2)) if shift else self.norm1(x)
        mixed = _joined(self.attn(_windows(inside, self._window)), self._window)
        x = x + (torch.roll(mixed, (shift, shift), (1, 2)) if shift else mixed)
        return x + self.mlp(self.norm2(x))


class PatchMerging(nn.Module):
    """[N, height, width, channels] -> [N, height / 2, width / 2, 2 * channels]."""

    def __init__(self, width: int):
        super().__init__()
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)
        self.norm = nn.LayerNorm(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        even, odd = x[:, 0::2], x[:, 1::2]
        four = torch.cat([even[:, :, 0::2], odd[:, :, 0::2], even[:, :, 1::2], odd[:, :, 1::2]], dim=-1)
        return self.reduction(self.norm(four))


class Stage(nn.Module):
    """Blocks of one resolution, with windows shifted in every second one; then the merging, except in the last stage.

    A window as large as the image is not shifted.
    """

    def __init__(self, config: SwinConfig, index: int):
        super().__init__()
        width, heads = config.width * 2**index, config.heads[index]
        resolution = config.resolution // _PATCH // 2**index
        window = min(config.window, resolution)
        shift = window // 2 if resolution > window else 0
        self.blocks = nn.Sequential(
            *(Block(width, heads, window, resolution, shift * (number % 2)) for number in range(config.depths[index]))
        )
        if index + 1 < len(config.depths):
            self.downsample = PatchMerging(width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(x)
        return self.downsample(x) if hasattr(self, "downsample") else x


class PatchEmbedding(nn.Module):
    """Images [N, 3, H, W] -> [N, H / 4, W / 4, width].

    Officially this convolution always runs on the CPU. As a product it is float32 on CUDA too, whatever the arithmetic
    of convolutions there.
    """

    def __init__(self, width: int):
        super().__init__()
        self.proj: nn.Module = nn.Conv2d(3, width, _PATCH, stride=_PATCH)
        self.norm = nn.LayerNorm(width)

    def settle(self) -> None:
        """Make a linear layer of the official convolution, whose steps don't overlap."""
        convolution = self.proj
        assert isinstance(convolution, nn.Conv2d)
        self.proj = linear(convolution.weight.flatten(1), convolution.bias)

    def forward(self, images: Tensor) -> Tensor:
        return self.norm(self.proj(F.pixel_unshuffle(images, _PATCH).permute(0, 2, 3, 1)))


class Swin(nn.Module):
    """[N, 3, H, W], normalized with ImageNet's mean and deviation -> [N, 1 + patches, features].

    The first token is the mean of the others.
    """

    def __init__(self, config: SwinConfig = SwinConfig()):
        super().__init__()
        self.config = config
        self.patch_embed = PatchEmbedding(config.width)
        self.layers = nn.ModuleList(Stage(config, index) for index in range(len(config.depths)))
        self.norm = nn.LayerNorm(config.features)

    def forward(self, images: Tensor) -> Tensor:
        x = self.patch_embed(images)
        for stage in self.layers:
            x = stage(x)
        patches = self.norm(x).flatten(1, 2)
        return torch.cat([patches.mean(dim=1, keepdim=True), patches], dim=1)

    @staticmethod
    def official_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of an official file without those that follow from the sizes."""
        return {key: value for key, value in state.items() if key.rpartition(".")[2] not in _COMPUTED}


def _windows(x: Tensor, window: int) -> Tensor:
    """[N, height, width, channels] -> [N, windows, tokens, channels]."""
    _, height, width, _ = x.shape
    tiles = x.unflatten(2, (width // window, window)).unflatten(1, (height // window, window))
    return tiles.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def _joined(x: Tensor, window: int) -> Tensor:
    """The inverse of :func:`_windows`, for square images."""
    side = round(x.shape[1] ** 0.5)
    tiles = x.unflatten(2, (window, window)).unflatten(1, (side, side))
    return tiles.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def _relative_positions(window: int) -> Tensor:
    """The row of the bias table for each query and key: [tokens, tokens]."""
    place = torch.stack(torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")).flatten(1)
    down, right = place[:, :, None] - place[:, None] + window - 1
    return down * (2 * window - 1) + right


def _apart(resolution: int, window: int, shift: int) -> Tensor:
    """-100 where query and key of a shifted window are from different ends of the image, else 0: [windows, T, T]."""
    place = torch.arange(resolution)
    band = (place >= resolution - window).long() + (place >= resolution - shift).long()
    region = (3 * band[:, None] + band)[None, :, :, None]
    by_window = _windows(region, window)[0, :, :, 0]
    return torch.where(by_window[:, :, None] == by_window[:, None], 0.0, _APART)
