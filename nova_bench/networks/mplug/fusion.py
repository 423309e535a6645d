"""mPLUG's reading of a question, and its fusion with an image's states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from nova_bench.networks.bert import Encoder, Layer
from nova_bench.networks.bert_text import Embeddings
from nova_bench.networks.mplug.config import MPlugConfig

KeyValue = tuple[Tensor, Tensor]


class TextEncoder(nn.Module):
    """Ids [N, tokens], of which ``seen`` [N, tokens] are no padding -> states [N, tokens, width]."""

    def __init__(self, config: MPlugConfig):
        super().__init__()
        text = config.text
        self.embeddings = Embeddings(text)
        self.encoder = Encoder([Layer(text.width, text.heads, text.inner) for _ in range(config.text_layers)])

    def forward(self, ids: Tensor, seen: Tensor) -> Tensor:
        x = self.embeddings(ids)
        for layer in self.encoder.layers:
            x = layer(x, mask=seen[:, None, None])
        return x


class NumberedEncoder(nn.Module):
    """Layers under their official numbers, which go on from the text encoder's."""

    def __init__(self, first: int, layers: Sequence[Layer]):
        super().__init__()
        self.layer = nn.ModuleDict({str(number): layer for number, layer in enumerate(layers, start=first)})

    @property
    def layers(self) -> list[Layer]:
        """The layers, in order."""
        return cast("list[Layer]", list(self.layer.values()))


class FusionEncoder(nn.Module):
    """States of questions and of an image -> states of both that know of each other."""

    def __init__(self, config: MPlugConfig):
        super().__init__()
        self.config = config
        text = config.text
        layers = [Layer(text.width, text.heads, text.inner, text.width) for _ in range(config.fusion_layers)]
        self.encoder = NumberedEncoder(config.text_layers, layers)

    def memories(self, image: Tensor) -> list[KeyValue | None]:
        """Keys and values of an image's states for each layer that reads them before any layer changes them."""
        memories: list[KeyValue | None] = []
        for number, layer in enumerate(self.encoder.layers):
            changed = any(self.config.joins(earlier) for earlier in range(number + 1))
            memories.append(None if changed else layer.crossattention.keys_values(image))
        return memories

    def forward(
        self, text: Tensor, seen: Tensor, image: Tensor, memories: Sequence[KeyValue | None]
    ) -> tuple[Tensor, Tensor]:
        """Questions [N, tokens, width] about an image [1, image tokens, width] -> the same with fused states.

        Where a layer joins both, the image gets states for each question, [N, image tokens, width]; officially it keeps
        its residual there and gives up the text's.
        """
        mask = seen[:, None, None]
        for number, (layer, memory) in enumerate(zip(self.encoder.layers, memories, strict=True)):
            if not self.config.joins(number):
                text = layer(text, mask=mask, memory=memory or layer.crossattention.keys_values(image))
                continue
            image = image.expand(len(text), -1, -1)
            joined = torch.cat([image, text], dim=1)
            all_seen = torch.cat([seen.new_ones(image.shape[:2]), seen], dim=1)
            attended = layer.attention(joined, *layer.attention.keys_values(joined), all_seen[:, None, None])
            joined = layer.output(layer.intermediate(attended), attended)
            image, text = image + joined[:, : image.shape[1]], joined[:, image.shape[1] :]
        return text, image
