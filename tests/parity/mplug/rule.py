"""Full-size weights for mPLUG that anybody can make: the rule of the vectors that the official code made."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

import torch
from torch import Tensor

VECTORS = Path(__file__).parent / "vectors"
OFFICIAL = json.loads((VECTORS / "mplug.json").read_text())
_FACTORS = [  # pattern of the name, factor, offset
    ("*visual.positional_embedding", 10, 0),
    ("*visual.class_embedding", 10, 0),
    ("visual_encoder.visual.*attn.in_proj_weight", 2, 0),
    ("visual_encoder.visual.*attn.out_proj.weight", 0.4, 0),
    ("fusion_encoder.encoder.layer.11.output.LayerNorm.weight", 1, 2),
    ("text_decoder.*position_embeddings.weight", 30, 0),
    ("*position_embeddings.weight", 15, 0),
    ("*word_embeddings.weight", 4, 0),
    ("text_decoder.*crossattention.output.dense.weight", 0.5, 0),
    ("text_decoder.*attention.output.dense.weight", 0.5, 0),
    ("text_decoder.*layer.*.output.dense.weight", 0.5, 0),
    ("*crossattention.output.dense.weight", 1, 0),
    ("*self.query.weight", 2, 0),
    ("*self.key.weight", 2, 0),
    ("*self.value.weight", 1.5, 0),
    ("*attention.output.dense.weight", 0.8, 0),
    ("*output.dense.weight", 0.8, 0),
]
_SMALL = ("positional_embedding", "position_embeddings.weight", "class_embedding")
_WORDS, _BIAS = "text_decoder.bert.embeddings.word_embeddings.weight", "text_decoder.cls.predictions.bias"
_END, _YES = 102, 2748


def noise(name: str, *shape: int) -> Tensor:
    """Standard normal values that depend on the name and the shape."""
    seed = zlib.crc32(name.encode()) ^ OFFICIAL["base_seed"]
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def made_weights(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The rule's float32 tensors by official name, for these names and shapes."""
    state = {name: _weight(name, shape) for name, shape in shapes.items()}
    if _WORDS in state:
        state[_WORDS][[_END, _YES]] *= OFFICIAL["row_scale"]
        state[_BIAS][_END] += OFFICIAL["eos_bias"]
        state[_BIAS][_YES] += OFFICIAL["yes_bias"]
    return state


def _weight(name: str, shape: tuple[int, ...]) -> Tensor:
    values = noise(name, *shape)
    factor, offset = next((row for pattern, *row in _FACTORS if fnmatchcase(name, pattern)), (1, 0))
    if any(part in name for part in _SMALL):
        return values * (0.02 * factor) + offset
    if len(shape) >= 2:
        return values * (factor / math.sqrt(math.prod(shape[1:]))) + offset
    if name.endswith(".weight"):
        return 0.05 * values + (1 + offset)
    return values * (0.02 * factor) + offset
