"""Sizes of mPLUG, read from the two files that come with its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from nova_bench.core.errors import UserError
from nova_bench.core.regular_files import read_text
from nova_bench.networks.bert_text import TextConfig
from nova_bench.networks.mplug.beam_search import Rules

CONFIG, BERT_CONFIG = "config.yaml", "config_bert.json"


@dataclass(frozen=True)
class MPlugConfig:
    """The published large model, as far as its files say nothing else."""

    resolution: int = 504
    patch: int = 14
    vision_width: int = 1024
    vision_depth: int = 24
    text: TextConfig = field(default_factory=TextConfig)
    text_layers: int = 6
    fusion_layers: int = 6
    stride: int = 6
    """Of every so many fusion layers, the first excepted, one joins image and text instead of reading the image."""
    rules: Rules = field(default_factory=Rules)

    @property
    def image_tokens(self) -> int:
        """States of an image: its patches, and one for the whole."""
        return (self.resolution // self.patch) ** 2 + 1

    def joins(self, number: int) -> bool:
        """Whether the fusion layer with that number, from 0, joins image and text."""
        return number > 0 and number % self.stride == 0

    @property
    def keeps_image(self) -> bool:
        """Whether no question changes the image's states, so that they and what is made of them can be shared."""
        return not any(self.joins(number) for number in range(self.fusion_layers))


# What the files may say, and the only value that is implemented; by the names that mPLUG's own configuration uses.
_FIXED_YAML: dict[str, Any] = {"clip_name": "ViT-L-14"}
_FIXED_BERT: dict[str, Any] = {"hidden_act": "gelu", "layer_norm_eps": 1e-12, "position_embedding_type": "absolute"}
_ABSENT_STRIDE = 100  # officially, if config_bert.json names none


def read_config(folder: Path) -> MPlugConfig:
    """The configuration of a folder with the official files; what they leave out is as published.

    Raises UserError if a file can't be read, or asks for something that isn't implemented.
    """
    settings, bert = _read(folder / CONFIG, yaml.safe_load), _read(folder / BERT_CONFIG, json.loads)
    _check(folder / CONFIG, settings, _FIXED_YAML)
    _check(folder / BERT_CONFIG, bert, _FIXED_BERT)
    try:
        text = TextConfig(
            width=int(bert.get("hidden_size", 768)),
            depth=int(bert.get("text_decode_layers", 12)),
            heads=int(bert.get("num_attention_heads", 12)),
            inner=int(bert.get("intermediate_size", 3072)),
            vocabulary=int(bert.get("vocab_size", 30522)),
            positions=int(bert.get("max_position_embeddings", 512)),
        )
        return MPlugConfig(
            resolution=int(settings.get("image_res", 504)),
            patch=int(settings.get("clip_vision_patch_size", 14)),
            vision_width=int(settings.get("vision_width", 1024)),
            vision_depth=int(settings.get("clip_vision_layers", 24)),
            text=text,
            text_layers=int(bert.get("text_encoder_layers", 6)),
            fusion_layers=int(bert.get("fusion_layers", 6)),
            stride=int(bert.get("stride_layer", _ABSENT_STRIDE)),
            rules=Rules(
                beams=int(settings.get("beam_size", 5)),
                shortest=int(settings.get("min_length", 1)),
                longest=int(settings.get("max_length", 10)),
            ),
        )
    except (TypeError, ValueError) as error:
        raise UserError(f"{folder}: {error} in {CONFIG} or {BERT_CONFIG}", "use the official files") from error


def _read(path: Path, parse: Any) -> Mapping[str, Any]:
    try:
        found = parse(read_text(path))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{path}: can't be read: {error}", "use the official file") from error
    if not isinstance(found, dict):
        raise UserError(f"{path}: expected keys with values", "use the official file")
    return found


def _check(path: Path, found: Mapping[str, Any], fixed: Mapping[str, Any]) -> None:
    for name, value in fixed.items():
        if found.get(name, value) != value:
            raise UserError(f"{path}: {name} is {found[name]!r}; only {value!r} is implemented", "use the large model")
