"""Swin equals transformers' own, in miniature: windows of shifted and plain blocks, biases, merging."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from transformers import SwinConfig as TheirConfig
from transformers import SwinModel

from nova_bench.networks.swin import Swin, SwinConfig
from nova_bench.networks.weights import settle

# Our names -> names in transformers; from version 5 on some are shorter.
_NAMES = (
    ("patch_embed.proj", "embeddings.patch_embeddings.projection"),
    ("patch_embed.norm", "embeddings.norm"),
    ("layers.", "encoder.layers."),
    ("norm1", "layernorm_before"),
    ("norm2", "layernorm_after"),
)
_NAMES_5 = (
    ("attn.relative_position_bias_table", "attention.relative_position_bias.relative_position_bias_table"),
    ("attn.proj", "attention.o_proj"),
)
_NAMES_4 = (
    ("attn.relative_position_bias_table", "attention.self.relative_position_bias_table"),
    ("attn.proj", "attention.output.dense"),
    ("mlp.fc1", "intermediate.dense"),
    ("mlp.fc2", "output.dense"),
)


def of_theirs(name: str, state: dict[str, Tensor]) -> Tensor:
    """The value of one of our weights in transformers' state dict."""
    newer = any(".q_proj." in key for key in state)
    if "qkv" in name:
        parts = ("q_proj", "k_proj", "v_proj") if newer else ("self.query", "self.key", "self.value")
        return torch.cat([of_theirs(name.replace("attn.qkv", f"attention.{part}"), state) for part in parts])
    if name.startswith("norm."):
        return state[f"layernorm.{name.removeprefix('norm.')}"]
    for ours, theirs in (*_NAMES, *(_NAMES_5 if newer else _NAMES_4)):
        name = name.replace(ours, theirs)
    return state[name]


@pytest.mark.parametrize(
    ("depths", "window"),
    [((2, 2), 4), ((1, 3), 8), ((2, 1, 2), 4)],  # in the second and third the last stage is one window
)
def test_swin_equals_transformers(depths: tuple[int, ...], window: int) -> None:
    torch.manual_seed(0)
    heads = (1, 2, 4)[: len(depths)]
    theirs = SwinModel(
        TheirConfig(image_size=64, embed_dim=32, depths=list(depths), num_heads=list(heads), window_size=window)
    ).eval()
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.3 if parameter.dim() > 1 else 0.1)
    config = SwinConfig(resolution=64, width=32, depths=depths, heads=heads, window=window)
    ours = Swin(config).eval()
    ours.load_state_dict({name: of_theirs(name, theirs.state_dict()) for name in ours.state_dict()})
    settle(ours)
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        expected, tokens = theirs(images).last_hidden_state, ours(images)
    assert tokens.shape == (2, 1 + expected.shape[1], config.features)
    torch.testing.assert_close(tokens[:, 1:], expected, atol=2e-6, rtol=0)
    torch.testing.assert_close(tokens[:, 0], expected.mean(dim=1), atol=2e-6, rtol=0)
    assert expected.std() > 0.05
