"""The plain vision transformer that detects (Li et al., 2022, arXiv 2203.16527): windows, and relative positions."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nova_bench.networks.grit.config import PATCH, GRiTConfig
from nova_bench.networks.vit import EPSILON, MLP

_HEAD = 64  # channels per attention head
_GRID = 14  # absolute positions per side in the weights


class PatchEmbedding(nn.Module):
    """[N, 3, H, W] -> [N, H / 16, W / 16, width]."""

    def __init__(self, width: int):
        super().__init__()
        self.proj = nn.Conv2d(3, width, PATCH, stride=PATCH)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).permute(0, 2, 3, 1)


class Attention(nn.Module):
    """Self-attention on maps [N, rows, columns, width], with logits for the distance in rows and in columns.

    ``side`` is the map's side in training: there are 2 * side - 1 distances in each table.
    """

    def __init__(self, width: int, side: int):
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * side - 1, _HEAD))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * side - 1, _HEAD))

    def forward(self, x: Tensor) -> Tensor:
        count, rows, columns, width = x.shape
        heads = self.qkv(x).view(count, rows * columns, 3, -1, _HEAD).permute(2, 0, 3, 1, 4)
        query, key, value = heads.unbind()
        mask = self._distances(query.unflatten(2, (rows, columns)))
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self.proj(mixed.transpose(1, 2).reshape(count, rows, columns, width))

    def _distances(self, query: Tensor) -> Tensor:
        """What distances add to the logits: query [N, heads, rows, columns, 64] -> [N, heads, tokens, tokens]."""
        rows, columns = query.shape[2:4]
        down = torch.einsum("nhyxc,ykc->nhyxk", query, by_distance(self.rel_pos_h, rows)).contiguous()
        across = torch.einsum("nhyxc,xkc->nhyxk", query, by_distance(self.rel_pos_w, columns)).contiguous()
        return (down[..., :, None] + across[..., None, :]).flatten(4, 5).flatten(2, 3)


def by_distance(table: Tensor, side: int) -> Tensor:
    """Rows of a table of distances for each pair of places on a side: [distances, C] -> [side, side, C].

    A table for another side is resampled linearly. Place i of a query and j of a key use row i - j + side - 1.
    """
    if len(table) != 2 * side - 1:
        table = F.interpolate(table.T[None], 2 * side - 1, mode="linear")[0].T
    places = torch.arange(side, device=table.device)
    return table[places[:, None] - places + side - 1]


class Block(nn.Module):
    """Pre-norm block on maps [N, rows, columns, width]; ``window`` 0 attends to the whole map."""

    def __init__(self, width: int, window: int, side: int):
        super().__init__()
        self.window = window
        self.norm1 = nn.LayerNorm(width, eps=EPSILON)
        self.attn = Attention(width, window or side)
        self.norm2 = nn.LayerNorm(width, eps=EPSILON)
        self.mlp = MLP(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self._attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))

    def _attention(self, x: Tensor) -> Tensor:
        """In windows, the map is padded with zeros that take part like patches, as in the official code."""
        if not self.window:
            return self.attn(x)
        (count, rows, columns, width), side = x.shape, self.window
        x = F.pad(x, (0, 0, 0, -columns % side, 0, -rows % side))
        grid = (x.shape[1] // side, x.shape[2] // side)
        windows = x.view(count, grid[0], side, grid[1], side, width).transpose(2, 3)
        windows = self.attn(windows.reshape(-1, side, side, width))
        x = windows.view(count, *grid, side, side, width).transpose(2, 3).reshape(x.shape)
        return x[:, :rows, :columns]


class ViTDet(nn.Module):
    """[N, 3, H, W] with sides that are multiples of 16 -> [N, H / 16, W / 16, width], not normalized at the end."""

    def __init__(self, config: GRiTConfig):
        super().__init__()
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + _GRID**2, config.width))
        self.patch_embed = PatchEmbedding(config.width)
        self.blocks = nn.ModuleList(
            Block(config.width, 0 if index in config.global_blocks else config.window, config.trained_side)
            for index in range(config.depth)
        )

    def positions(self, rows: int, columns: int) -> Tensor:
        """Absolute positions [1, rows, columns, width], resampled; the class token's isn't used."""
        grid = self.pos_embed[:, 1:].view(1, _GRID, _GRID, -1)
        if (rows, columns) == (_GRID, _GRID):
            return grid
        resampled = F.interpolate(grid.permute(0, 3, 1, 2), (rows, columns), mode="bicubic", align_corners=False)
        return resampled.permute(0, 2, 3, 1)

    def forward(self, images: Tensor) -> Tensor:
        x = self.patch_embed(images)
        x = x + self.positions(*x.shape[1:3])
        for block in self.blocks:
            x = block(x)
        return x
