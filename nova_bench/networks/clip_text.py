"""CLIP's text encoder, and CLIP as a whole (Radford et al., 2021, arXiv 2103.00020)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from nova_bench.networks.clip import VIT_B_32, CLIPConfig, CLIPImageEncoder, LayerNorm, Transformer, halve_layers
from nova_bench.networks.weights import load_network


@dataclass(frozen=True)
class CLIPTextConfig:
    """Sizes of one published text encoder."""

    width: int
    depth: int
    context: int
    features: int
    vocabulary: int = 49408


TEXT_B_32 = CLIPTextConfig(width=512, depth=12, context=77, features=512)
_IMAGE = "visual."  # begins the image encoder's official names
_NOT_WEIGHTS = ("input_resolution", "context_length", "vocab_size")  # numbers in the official archive


class CLIPTextEncoder(nn.Module):
    """Token ids [N, tokens] -> features [N, features], not normalized.

    A text's features are those of its end token, which has the highest id. Nothing after it matters, so a batch is
    padded with zeros to its longest text, not to the context's length.
    """

    def __init__(self, config: CLIPTextConfig):
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocabulary, config.width)
        self.positional_embedding = nn.Parameter(torch.zeros(config.context, config.width))
        self.transformer = Transformer(config.width, config.depth, causal=True)
        self.ln_final = LayerNorm(config.width)
        self.text_projection = nn.Parameter(torch.zeros(config.width, config.features))

    def forward(self, tokens: Tensor) -> Tensor:
        kind = self.text_projection.dtype
        x = self.token_embedding(tokens).to(kind) + self.positional_embedding[: tokens.shape[1]].to(kind)
        for block in self.transformer.resblocks:
            x = block(x)
        ends = x[torch.arange(len(x), device=x.device), tokens.argmax(dim=1)]
        return self.ln_final(ends) @ self.text_projection

    def half_precision(self) -> CLIPTextEncoder:
        """Use float16 for linear layers and projection, float32 for norms and embeddings: CLIP on CUDA."""
        halve_layers(self)
        self.text_projection.data = self.text_projection.data.half()
        return self


class CLIP(nn.Module):
    """Both encoders, and the factor of their similarity."""

    def __init__(self, image: CLIPConfig, text: CLIPTextConfig):
        super().__init__()
        self.image = CLIPImageEncoder(image)
        self.text = CLIPTextEncoder(text)
        self.logit_scale = nn.Parameter(torch.zeros(()))

    @staticmethod
    def official_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of an official file by this module's keys, as float32."""
        renamed = {}
        for key, value in state.items():
            if key.startswith(_IMAGE):
                key = f"image.{key.removeprefix(_IMAGE)}"
            elif key != "logit_scale":
                key = f"text.{key}"
            renamed[key] = value.float()
        return {key: value for key, value in renamed.items() if key.removeprefix("text.") not in _NOT_WEIGHTS}


def load_clip(path: Path, half: bool) -> CLIP:
    """CLIP ViT-B/32 of the official file, in float32 or in CLIP's float16."""
    network = load_network(lambda: CLIP(VIT_B_32, TEXT_B_32), path, CLIP.official_keys)
    if half:
        network.image.half_precision()
        network.text.half_precision()
    else:
        network.image.fold_activation()
        network.text.transformer.fold_activation()
    return network
