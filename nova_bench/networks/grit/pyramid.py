"""The simple feature pyramid of ViTDet (Li et al., 2022, arXiv 2203.16527, section 3), and two coarser levels."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from nova_bench.networks.grit.config import GRiTConfig
from nova_bench.networks.grit.vitdet import ViTDet


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of [N, channels, H, W]."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class TopBlock(nn.Module):
    """Two levels more: p5 -> p6, p7."""

    def __init__(self, channels: int):
        super().__init__()
        self.p6 = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.p7 = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, p5: Tensor) -> tuple[Tensor, Tensor]:
        p6 = self.p6(p5)
        return p6, self.p7(F.relu(p6))


class Backbone(nn.Module):
    """[N, 3, H, W] with sides that are multiples of 32 -> five maps of strides 8 to 128, [N, channels, rows, columns].

    Without activations between the layers, as in the official code.
    """

    def __init__(self, config: GRiTConfig):
        super().__init__()
        self.bottom_up = ViTDet(config)
        width, channels = config.width, config.channels
        self.fpn_stride_16_8 = nn.ConvTranspose2d(width, width, 2, stride=2, bias=False)
        for stride in (8, 16, 32):
            setattr(self, f"fpn_stride{stride}_conv1", nn.Conv2d(width, channels, 1, bias=False))
            setattr(self, f"fpn_stride{stride}_norm1", ChannelNorm(channels))
            setattr(self, f"fpn_stride{stride}_conv2", nn.Conv2d(channels, channels, 3, padding=1, bias=False))
            setattr(self, f"fpn_stride{stride}_norm2", ChannelNorm(channels))
        self.top_block = TopBlock(channels)

    def forward(self, images: Tensor) -> list[Tensor]:
        x = self.bottom_up(images).permute(0, 3, 1, 2)
        levels = [self._level(8, self.fpn_stride_16_8(x)), self._level(16, x), self._level(32, F.max_pool2d(x, 2))]
        return [*levels, *self.top_block(levels[-1])]

    def _level(self, stride: int, x: Tensor) -> Tensor:
        for number in (1, 2):
            convolution, norm = (getattr(self, f"fpn_stride{stride}_{part}{number}") for part in ("conv", "norm"))
            x = norm(convolution(x))
        return x
