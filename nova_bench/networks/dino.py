"""DINO's ViT-B/16 (Caron et al., ICCV 2021, arXiv 2104.14294): the class token's final features."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nova_bench.networks.vit import EPSILON, Block

WIDTH = 768
PATCH = 16
_DEPTH = 12
_GRID = 14  # positions per side in the weights


class PatchEmbedding(nn.Module):
    """[N, 3, H, W] -> [N, (H // 16) * (W // 16), WIDTH]."""

    def __init__(self):
        super().__init__()
        self.proj = nn.Conv2d(3, WIDTH, PATCH, stride=PATCH)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).flatten(2).transpose(1, 2)


class DINO(nn.Module):
    """[N, 3, H, W], normalized with ImageNet's mean and standard deviation -> [N, 768]."""

    def __init__(self):
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + _GRID**2, WIDTH))
        self.patch_embed = PatchEmbedding()
        self.blocks = nn.ModuleList(Block(WIDTH) for _ in range(_DEPTH))
        self.norm = nn.LayerNorm(WIDTH, eps=EPSILON)

    def positions(self, height: int, width: int) -> Tensor:
        """Position embedding for an image of that size: [1, 1 + tokens, WIDTH].

        As in DINO's own code, the grid is resampled by the factor (rows + 0.1) / 14, not to the size. Later
        implementations that pass the size sample elsewhere, and their embeddings differ by a few percent.
        """
        rows, columns = height // PATCH, width // PATCH
        if (rows, columns) == (_GRID, _GRID) and height == width:
            return self.pos_embed
        grid = self.pos_embed[:, 1:].view(1, _GRID, _GRID, WIDTH).permute(0, 3, 1, 2)
        factors = ((rows + 0.1) / _GRID, (columns + 0.1) / _GRID)
        resampled = F.interpolate(grid, scale_factor=factors, mode="bicubic")
        if resampled.shape[-2:] != (rows, columns):
            raise ValueError(f"{height} x {width}: {tuple(resampled.shape[-2:])} positions, not {(rows, columns)}")
        return torch.cat([self.pos_embed[:, :1], resampled.flatten(2).transpose(1, 2)], dim=1)

    def tokens(self, images: Tensor) -> Tensor:
        """The first block's input: [N, 1 + tokens, WIDTH]."""
        patches = self.patch_embed(images)
        classes = self.cls_token.expand(len(images), -1, -1)
        return torch.cat([classes, patches], dim=1) + self.positions(*images.shape[-2:])

    def forward(self, images: Tensor) -> Tensor:
        x = self.tokens(images)
        *blocks, last = self.blocks
        for block in blocks:
            x = block(x)
        return self.norm(last(x, wanted=1)[:, 0])
