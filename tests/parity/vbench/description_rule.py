"""Full-size weights for GRiT and Tag2Text that anybody can make: the rule of the vectors that their official code made.

As in :mod:`tests.parity.vbench.rule`, a tensor is normal noise seeded by its official name; scales differ.
`description_rule.json` holds the constants. After the rule, the bias of the end token is raised, so that texts end.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

RULE = json.loads((Path(__file__).parent / "description_rule.json").read_text())
_SMALL = (
    *("pos_embed", "rel_pos_", "relative_position_bias_table", "positions.weight", "position_embeddings.weight"),
    "cls_token",
)
_END = 102


def noise(name: str, *shape: int) -> Tensor:
    """Standard normal values that depend on the name and the shape."""
    seed = zlib.crc32(name.encode()) ^ RULE["base_seed"]
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def described_weights(network: str, shapes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The rule's float32 tensors by official name, for tensors of these names and shapes."""
    constants = RULE["networks"][network]
    state = {name: _weight(name, like, constants) for name, like in shapes.items()}
    for name, amount in constants["raised"].items():
        if name in state:
            state[name][_END] += amount
    return state


def _weight(name: str, like: Tensor, constants: dict[str, Any]) -> Tensor:
    values = noise(name, *like.shape)
    row = next((row for part, *row in constants["factors"] if part in name), [1.0])
    factor, offset = row if len(row) == 2 else (row[0], 0.0)
    if any(part in name for part in _SMALL):
        return 0.02 * factor * values + offset
    if like.dim() >= 2:
        return values * (factor / math.sqrt(math.prod(like.shape[1:]))) + offset
    if name.rpartition(".")[2] in ("weight", "scale"):
        return 1 + 0.05 * values
    return 0.02 * factor * values + offset
