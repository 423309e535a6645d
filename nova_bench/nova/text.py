"""Prompts to features: tokenizer and Phi, run on real tokens only and once per distinct prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nova_bench.nova.building import building, refuse_giant
from nova_bench.nova.checkpoint import CONFIG_NAME, read_json, read_weights, write_json, write_weights
from nova_bench.nova.errors import ArchitectureError, CheckpointError, ConfigError, InputError

WEIGHTS_NAME = "model.safetensors"
PHI2 = {
    "model_type": "phi",
    "vocab_size": 51200,
    "hidden_size": 2560,
    "intermediate_size": 10240,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "hidden_act": "gelu_pytorch_tanh",
    "max_position_embeddings": 2048,
    "layer_norm_eps": 1e-5,
    "partial_rotary_factor": 0.4,
    "rope_theta": 10000.0,
    "bos_token_id": 50256,
    "eos_token_id": 50256,
    "pad_token_id": 50256,
}


class PhiTextEncoder(nn.Module):
    """The Phi language model of ``transformers`` as a feature extractor (final LayerNorm, no language head).

    State-dict keys are ``model.*`` as published; ``lm_head`` is neither loaded nor saved.
    """

    def __init__(self, config: Mapping[str, Any]):
        from transformers import PhiConfig, PhiModel

        super().__init__()
        if config.get("model_type", "phi") != "phi":
            raise ArchitectureError(f"text encoder is a {config['model_type']!r} model, not 'phi'")
        width, layers = (int(config.get(key, PHI2[key])) for key in ("hidden_size", "num_hidden_layers"))
        inner, words = (int(config.get(key, PHI2[key])) for key in ("intermediate_size", "vocab_size"))
        refuse_giant("text encoder", layers, layers * (4 * width**2 + 2 * width * inner) + words * width)
        self.config = {key: value for key, value in config.items() if key not in ("dtype", "torch_dtype")}
        self.model = PhiModel(PhiConfig.from_dict(dict(self.config)))
        for layer in self.model.layers[:1]:
            attention: Any = layer.self_attn
            rotated, made = attention.rotary_ndims, 2 * len(self.model.rotary_emb.inv_freq)
            if rotated != made or rotated > attention.head_dim:
                raise ConfigError(
                    f"text encoder: rotary positions of {rotated} of a head's {attention.head_dim} features: correct "
                    "partial_rotary_factor, its share must be an even number of them"
                )

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, dtype: torch.dtype | None = None, device: str | torch.device = "cpu"
    ) -> PhiTextEncoder:
        """Load ``config.json`` and ``model.safetensors`` (or its shards). Raises :class:`CheckpointError`."""
        folder = Path(folder)
        with building(folder / CONFIG_NAME), torch.device("meta"):
            encoder = cls(read_json(folder / CONFIG_NAME))
        weights = read_weights(folder, encoder.state_dict(), WEIGHTS_NAME, _without_head, dtype, device)
        encoder.load_state_dict(weights, assign=True)
        return encoder.to(device).requires_grad_(False).eval()

    def _apply(self, *args: Any, **kwargs: Any) -> PhiTextEncoder:
        """Move or cast; recompute rotary frequencies, since no state dict holds them and they must stay float32."""
        self._make_frequencies()
        super()._apply(*args, **kwargs)
        self._make_frequencies()
        return self

    def _make_frequencies(self) -> None:
        with torch.device(self.device):
            self.model.rotary_emb = type(self.model.rotary_emb)(config=self.model.config)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the folder that :meth:`from_pretrained` reads."""
        write_json(Path(folder) / CONFIG_NAME, self.config)
        write_weights(folder, self.state_dict(), WEIGHTS_NAME)

    @property
    def dtype(self) -> torch.dtype:
        """Type of the parameters."""
        return self.model.embed_tokens.weight.dtype

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.model.embed_tokens.weight.device

    def forward(self, token_ids: Sequence[Sequence[int]]) -> list[Tensor]:
        """Token ids of each prompt -> its hidden states [n_i, hidden]; n_i may be 0.

        Shorter prompts are padded on the right; causal attention never sees the padding.
        """
        out = [torch.empty(0, self.model.config.hidden_size, dtype=self.dtype, device=self.device)] * len(token_ids)
        rows = [i for i, ids in enumerate(token_ids) if len(ids)]
        if not rows:
            return out
        longest = max(len(token_ids[i]) for i in rows)
        padded = torch.zeros(len(rows), longest, dtype=torch.long)
        for row, i in enumerate(rows):
            padded[row, : len(token_ids[i])] = torch.tensor(token_ids[i])
        hidden = self.model(padded.to(self.device), use_cache=False).last_hidden_state
        for row, i in enumerate(rows):
            out[i] = hidden[row, : len(token_ids[i])]
        return out


def _without_head(key: str) -> str | None:
    return None if key.startswith("lm_head.") else key


def encode_prompts(tokenizer: Any, encoder: PhiTextEncoder | None, prompts: Sequence[str], limit: int) -> list[Tensor]:
    """Features [n_i, hidden] of each prompt, cut to ``limit`` tokens; each distinct prompt is encoded once."""
    if tokenizer is None or encoder is None:
        raise InputError("this pipeline has no text encoder: pass prompt_embeds (and negative_prompt_embeds)")
    distinct = list(dict.fromkeys(prompts))
    ids = [tokenizer(text, truncation=True, max_length=limit)["input_ids"] if text else [] for text in distinct]
    features = dict(zip(distinct, encoder(ids), strict=True))
    return [features[text] for text in prompts]


def load_tokenizer(folder: str | Path) -> Any:
    """The tokenizer of a local folder, without remote code. Raises :class:`CheckpointError`."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the many ways a tokenizer file can be broken have no common base
        raise CheckpointError(
            f"{folder}: tokenizer can't be loaded ({next(iter(str(error).splitlines()), type(error).__name__)})"
        ) from error


def byte_tokenizer(limit: int = 2048) -> Any:
    """A tokenizer without a vocabulary file (one token per byte), for networks with random weights."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<|endoftext|>": 0, **{char: i + 1 for i, char in enumerate(alphabet)}}
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    special = dict.fromkeys(("bos_token", "eos_token", "unk_token", "pad_token"), "<|endoftext|>")
    return PreTrainedTokenizerFast(tokenizer_object=core, model_max_length=limit, **special)
