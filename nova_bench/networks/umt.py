"""UMT-L/16, fine-tuned to name the 400 actions of Kinetics (Li et al., ICCV 2023, arXiv 2303.16058)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nova_bench.networks.vit import EPSILON, Block, KeylessBiasAttention, of_one_frame

FRAMES = 16
RESOLUTION = 224
_PATCH = 16
_GRID = RESOLUTION // _PATCH
_PRETRAINED_FRAMES = 8  # for which the sinusoids of the positions are written down


@dataclass(frozen=True)
class UMTConfig:
    """Sizes of the network."""

    width: int = 1024
    depth: int = 24
    actions: int = 400


class PatchEmbedding(nn.Module):
    """Frames [N * 16, 3, 224, 224] -> [N, 16 * 196, width], frame by frame."""

    def __init__(self, width: int):
        super().__init__()
        self.proj: nn.Module = nn.Conv3d(3, width, (1, _PATCH, _PATCH), stride=(1, _PATCH, _PATCH))

    def settle(self) -> None:
        """Make a plain convolution of the official one."""
        self.proj = of_one_frame(self.proj)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.proj(x).flatten(2).transpose(1, 2)
        return patches.reshape(-1, FRAMES * _GRID**2, patches.shape[-1])


class UMT(nn.Module):
    """[N, 16, 3, 224, 224], normalized with ImageNet's mean and deviation -> a logit per action, [N, 400]."""

    def __init__(self, config: UMTConfig = UMTConfig()):
        super().__init__()
        self.config = config
        self.pos_embed = nn.Parameter(torch.zeros(1, FRAMES * _GRID**2, config.width))
        self.patch_embed = PatchEmbedding(config.width)
        self.blocks = nn.ModuleList(Block(config.width, KeylessBiasAttention) for _ in range(config.depth))
        self.fc_norm = nn.LayerNorm(config.width, eps=EPSILON)
        self.head = nn.Linear(config.width, config.actions)

    @property
    def bytes_per_video(self) -> float:
        """Memory for one video: activations of one block, and its frames."""
        return 4 * FRAMES * (_GRID**2 * self.config.width * 16 + 3 * 3 * RESOLUTION**2)

    def tokens(self, frames: Tensor) -> Tensor:
        """The patches of all frames, without positions: [N, 3136, width]."""
        return self.patch_embed(frames.flatten(0, 1))

    def features(self, frames: Tensor) -> Tensor:
        """What the last layer reads: [N, width]."""
        x = self.tokens(frames) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.fc_norm(x.mean(dim=1))

    def forward(self, frames: Tensor) -> Tensor:
        return self.head(self.features(frames))

    @staticmethod
    def official_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of an official file. The published one has no positions: they are the sinusoids then."""
        width = state["fc_norm.bias"].shape[0] if "fc_norm.bias" in state else UMTConfig().width
        return {"pos_embed": sinusoids(width), **state}


def sinusoids(width: int) -> Tensor:
    """Positions of 16 x 14 x 14 patches, [1, 3136, width]: sine in even channels and cosine in odd ones.

    The official code numbers the patches of eight frames and interpolates linearly to sixteen.
    """
    numbers = torch.arange(_PRETRAINED_FRAMES * _GRID**2, dtype=torch.float64)[:, None]
    channels = torch.arange(width, dtype=torch.float64) // 2
    angles = numbers / 10000 ** (2 * channels / width)
    table = torch.where(torch.arange(width) % 2 == 0, angles.sin(), angles.cos()).float()
    by_place = table.view(_PRETRAINED_FRAMES, -1).T[None]  # [1, places and channels, frames]
    return F.interpolate(by_place, FRAMES, mode="linear")[0].T.reshape(1, -1, width)
