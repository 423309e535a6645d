"""mPLUG's view of an image: CLIP ViT-L/14 at 504 pixels, all of its tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nova_bench.networks.clip import LayerNorm, Transformer
from nova_bench.networks.mplug.config import MPlugConfig


class Visual(nn.Module):
    """Images [N, 3, 504, 504], normalized with CLIP's mean and deviation -> [N, 1297, 1024]."""

    def __init__(self, config: MPlugConfig):
        super().__init__()
        width = config.vision_width
        self.conv1 = nn.Conv2d(3, width, config.patch, stride=config.patch, bias=False)
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.positional_embedding = nn.Parameter(torch.zeros(config.image_tokens, width))
        self.ln_pre = LayerNorm(width)
        self.transformer = Transformer(width, config.vision_depth)
        self.ln_post = LayerNorm(width)

    def settle(self) -> None:
        """Compute the activations faster."""
        self.transformer.fold_activation()

    def tokens(self, images: Tensor) -> Tensor:
        """The first block's input."""
        patches = self.conv1(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_embedding.expand(len(patches), 1, -1), patches], dim=1)
        return self.ln_pre(x + self.positional_embedding)

    def forward(self, images: Tensor) -> Tensor:
        x = self.tokens(images)
        for block in self.transformer.resblocks:
            x = block(x)
        return self.ln_post(x)


class VisualEncoder(nn.Module):
    """CLIP's image half, under its official name."""

    def __init__(self, config: MPlugConfig):
        super().__init__()
        self.visual = Visual(config)
