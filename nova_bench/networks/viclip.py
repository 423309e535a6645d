"""ViCLIP-L/14: CLIP for videos of eight frames (Wang et al., InternVid, ICLR 2024, arXiv 2307.06942)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from nova_bench.networks.clip import VIT_L_14, CLIPConfig, CLIPImageEncoder
from nova_bench.networks.clip_text import CLIPTextConfig, CLIPTextEncoder
from nova_bench.networks.vit import of_one_frame
from nova_bench.networks.weights import load_network

FRAMES = 8
CONTEXT = 32
TEXT_L_14 = CLIPTextConfig(width=768, depth=12, context=CONTEXT, features=768)


class ViCLIPVideoEncoder(CLIPImageEncoder):
    """[N, 8, 3, 224, 224], normalized with CLIP's mean and deviation -> features [N, features], not normalized.

    CLIP's image encoder on the patches of all frames at once, which also have a position in time.
    """

    def __init__(self, config: CLIPConfig):
        super().__init__(config)
        size = (1, config.patch, config.patch)
        self.conv1 = nn.Conv3d(3, config.width, size, stride=size, bias=False)
        self.temporal_positional_embedding = nn.Parameter(torch.zeros(1, FRAMES, config.width))

    def settle(self) -> None:
        """Make a plain convolution of the official one."""
        self.conv1 = of_one_frame(self.conv1)

    def bytes_per_video(self, height: int, width: int) -> float:
        """Memory for one video of that size: activations of one block, its frames, and their resampled copies."""
        return FRAMES * self.config.bytes_per_frame(height, width)

    def tokens(self, images: Tensor) -> Tensor:
        """The first block's input: [N, 1 + patches x 8, width], the frames of one place side by side."""
        patches = self.conv1(images.flatten(0, 1)).flatten(2).transpose(1, 2) + self.positional_embedding[1:]
        by_place = patches.unflatten(0, (-1, FRAMES)).transpose(1, 2) + self.temporal_positional_embedding[:, None]
        classes = (self.class_embedding + self.positional_embedding[0]).expand(len(images), 1, -1)
        return self.ln_pre(torch.cat([classes, by_place.flatten(1, 2)], dim=1))


class ViCLIP(nn.Module):
    """Both encoders, under their official names."""

    def __init__(self, video: CLIPConfig = VIT_L_14, text: CLIPTextConfig = TEXT_L_14):
        super().__init__()
        self.vision_encoder = ViCLIPVideoEncoder(video)
        self.text_encoder = CLIPTextEncoder(text)
        self.temp = nn.Parameter(torch.zeros(()))  # of the training

    def fold_activation(self) -> ViCLIP:
        """Compute the activations faster."""
        self.vision_encoder.fold_activation()
        self.text_encoder.transformer.fold_activation()
        return self


def load_viclip(path: Path) -> ViCLIP:
    """ViCLIP of the official file. The official code runs it in float32 on every device."""
    return load_network(ViCLIP, path, entry="model").fold_activation()
