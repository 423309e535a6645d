"""The image encoder of OpenAI's CLIP (Radford et al., 2021, arXiv 2103.00020), as ViT-B/32 and ViT-L/14; its blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nova_bench.kernels.layers import attention
from nova_bench.networks.weights import load_network

RESOLUTION = 224
_HEAD = 64  # channels per attention head
_QUICK = 1.702  # factor in QuickGELU


@dataclass(frozen=True)
class CLIPConfig:
    """Sizes of one published image encoder."""

    patch: int
    width: int
    depth: int
    features: int

    def bytes_per_frame(self, height: int, width: int) -> float:
        """Memory for one frame of that size: activations of one block, the frame, and its resampled copies."""
        tokens = (RESOLUTION // self.patch) ** 2 + 1
        longer = max(height, width) / min(height, width)
        return 4 * (tokens * self.width * 16 + 3 * (height * width + 3 * longer * RESOLUTION**2))


VIT_B_32 = CLIPConfig(patch=32, width=768, depth=12, features=512)
VIT_L_14 = CLIPConfig(patch=14, width=1024, depth=24, features=768)


class LayerNorm(nn.LayerNorm):
    """Layer norm in float32 whatever the input's type, as CLIP does in half precision."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.float()).to(x.dtype)


class QuickGELU(nn.Module):
    """CLIP's approximation of GELU."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(_QUICK * x)


class Attention(nn.Module):
    """Multi-head self-attention on [N, tokens, width]; returns the first ``wanted`` tokens.

    ``causal``: a token sees itself and those before it, as in the text encoder.
    """

    def __init__(self, width: int, causal: bool = False):
        super().__init__()
        self._causal = causal
        self.in_proj_weight = nn.Parameter(torch.zeros(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)

    def settle(self) -> None:
        """Make a layer of the two parameters that have their own names in official files."""
        outputs, inputs = self.in_proj_weight.shape
        self.in_proj = nn.Linear(inputs, outputs, device="meta")
        self.in_proj.weight, self.in_proj.bias = self.in_proj_weight, self.in_proj_bias
        del self.in_proj_weight, self.in_proj_bias

    def forward(self, x: Tensor, wanted: int | None = None) -> Tensor:
        if self._causal:
            return self.out_proj(self._causal_attention(x))[:, :wanted]
        return self.out_proj(attention([self.in_proj], x, x.shape[-1] // _HEAD, wanted))

    def _causal_attention(self, x: Tensor) -> Tensor:
        query, key, value = self.in_proj(x).view(*x.shape[:2], 3, -1, _HEAD).permute(2, 0, 3, 1, 4)
        return F.scaled_dot_product_attention(query, key, value, is_causal=True).transpose(1, 2).flatten(2)


class MLP(nn.Module):
    """The two layers of a block, under their official names."""

    def __init__(self, width: int):
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.gelu: nn.Module = QuickGELU()
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(self.gelu(self.c_fc(x)))


class Block(nn.Module):
    """Pre-norm transformer block on [N, tokens, width]; returns the first ``wanted`` tokens."""

    def __init__(self, width: int, causal: bool = False):
        super().__init__()
        self.attn = Attention(width, causal)
        self.ln_1 = LayerNorm(width)
        self.mlp = MLP(width)
        self.ln_2 = LayerNorm(width)

    def forward(self, x: Tensor, wanted: int | None = None) -> Tensor:
        x = x[:, :wanted] + self.attn(self.ln_1(x), wanted)
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    """The blocks, under their official name."""

    def __init__(self, width: int, depth: int, causal: bool = False):
        super().__init__()
        self.resblocks = nn.Sequential(*(Block(width, causal) for _ in range(depth)))

    def fold_activation(self) -> None:
        """Fold QuickGELU's factors into the weights (float32 only): x * sigmoid(1.702 x) is SiLU(1.702 x) / 1.702."""
        for block in self.resblocks:
            assert isinstance(block, Block)
            block.mlp.gelu = nn.SiLU(inplace=True)
            for parameter in block.mlp.c_fc.parameters():
                parameter.data *= _QUICK
            block.mlp.c_proj.weight.data /= _QUICK


class CLIPImageEncoder(nn.Module):
    """[N, 3, 224, 224], normalized with CLIP's mean and deviation -> features [N, features], not normalized."""

    def __init__(self, config: CLIPConfig):
        super().__init__()
        self.config = config
        width = config.width
        self.conv1: nn.Conv2d | nn.Conv3d = nn.Conv2d(3, width, config.patch, stride=config.patch, bias=False)
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.positional_embedding = nn.Parameter(torch.zeros((RESOLUTION // config.patch) ** 2 + 1, width))
        self.ln_pre = LayerNorm(width)
        self.transformer = Transformer(width, config.depth)
        self.ln_post = LayerNorm(width)
        self.proj = nn.Parameter(torch.zeros(width, config.features))

    def tokens(self, images: Tensor) -> Tensor:
        """The first block's input: [N, 1 + patches, width]."""
        patches = self.conv1(images.to(self.proj.dtype)).flatten(2).transpose(1, 2)
        classes = self.class_embedding.to(patches.dtype).expand(len(patches), 1, -1)
        x = torch.cat([classes, patches], dim=1)
        return self.ln_pre(x + self.positional_embedding.to(x.dtype))

    def forward(self, images: Tensor) -> Tensor:
        x = self.tokens(images)
        *blocks, last = self.transformer.resblocks
        for block in blocks:
            x = block(x)
        return self.ln_post(last(x, wanted=1)[:, 0]) @ self.proj

    def half_precision(self) -> CLIPImageEncoder:
        """Use float16 for convolution, linear layers and projection, float32 for norms and embeddings: CLIP on CUDA."""
        halve_layers(self)
        self.proj.data = self.proj.data.half()
        return self

    def fold_activation(self) -> CLIPImageEncoder:
        """Compute the activations faster, in float32."""
        self.transformer.fold_activation()
        return self

    @staticmethod
    def official_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The image encoder's tensors of an official file by this module's keys, as float32."""
        prefix = "visual."
        return {key.removeprefix(prefix): value.float() for key, value in state.items() if key.startswith(prefix)}


def halve_layers(network: nn.Module) -> None:
    """Turn the weights of convolutions and linear layers into float16."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.half()


def load_image_encoder(config: CLIPConfig, path: Path, half: bool) -> CLIPImageEncoder:
    """The image encoder of an official file, in float32 or in CLIP's float16."""
    network = load_network(lambda: CLIPImageEncoder(config), path, CLIPImageEncoder.official_keys)
    return network.half_precision() if half else network.fold_activation()
