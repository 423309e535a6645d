"""Weights that anybody can make, in files laid out as the published ones."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nova_bench.config.catalog import SCORERS
from nova_bench.networks.perceptual import CHANNELS
from nova_bench.scorers.base import Scorer, ScorerContext

from .cases import OFFICIAL

_TRUNK = {
    "net.slice1.0": (64, 3, 11, 11),
    "{second}": (192, 64, 5, 5),
    "{third}": (384, 192, 3, 3),
    "{fourth}": (256, 384, 3, 3),
    "{fifth}": (256, 256, 3, 3),
}
_POSITIONS = {
    "lpips": {"second": "net.slice2.3", "third": "net.slice3.6", "fourth": "net.slice4.8", "fifth": "net.slice5.10"},
    "st_lpips": {
        "second": "net.slice2.5",
        "third": "net.slice3.9",
        "fourth": "net.slice4.11",
        "fifth": "net.slice5.13",
    },
}
_BLURS = {"net.slice1.1": 64, "net.slice2.4": 64, "net.slice3.8": 192}


def rule_weights(shapes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights for official names: noise seeded by the name, of a size that keeps every layer alive.

    Heads have none below zero, as the published ones; blurs and constants are left out.
    """
    made = {}
    for key, like in shapes.items():
        if key.endswith(("weight", "bias")):
            noise = torch.randn(tuple(like.shape), generator=torch.Generator().manual_seed(zlib.crc32(key.encode())))
            if key.startswith("lin"):
                made[key] = noise.abs() * 0.3
            elif key.endswith("bias"):
                made[key] = noise * 0.05
            else:
                made[key] = noise * math.sqrt(2 / math.prod(like.shape[1:]))
    return made


def rule_state(name: str) -> dict[str, torch.Tensor]:
    """The rule's weights under the names that the package gives them."""
    shapes = {}
    for key, shape in _TRUNK.items():
        layer = key.format(**_POSITIONS[name])
        shapes[f"{layer}.weight"] = torch.empty(shape, device="meta")
        shapes[f"{layer}.bias"] = torch.empty(shape[:1], device="meta")
    for index, channels in enumerate(CHANNELS):
        shapes[f"lin{index}.model.1.weight"] = torch.empty((1, channels, 1, 1), device="meta")
    return rule_weights(shapes)


def official_files(name: str, folder: Path) -> dict[str, Path]:
    """Assets with the rule's weights, laid out as the published files."""
    state = rule_state(name)
    expected = OFFICIAL["weights"][f"{name}, rule"]
    assert sum(value.double().abs().sum().item() for value in state.values()) == pytest.approx(expected, rel=1e-9)
    heads = {key: value for key, value in state.items() if key.startswith("lin")}
    trunk = {key: value for key, value in state.items() if not key.startswith("lin")}
    if name == "st_lpips":
        binomial = torch.tensor([1.0, 2.0, 1.0])
        blur = (binomial[:, None] * binomial / 16)[None, None]
        blurs = {f"{key}.filt": blur.repeat(channels, 1, 1, 1) for key, channels in _BLURS.items()}
        constants = {f"scaling_layer.{key}": torch.zeros(1, 3, 1, 1) for key in ("shift", "scale")}
        files = {"stlpips-alex": {**constants, **trunk, **blurs, **heads}}
    else:
        # In torchvision's file the layers are called by their place in the trunk alone.
        layers = {f"features.{key.split('.', 2)[2]}": value for key, value in trunk.items()}
        files = {"alexnet": {**layers, "classifier.1.weight": torch.zeros(3, 2)}, "lpips-alex": heads}
    for asset, tensors in files.items():
        torch.save(tensors, folder / asset)
    return {asset: folder / asset for asset in files}


def scorer(name: str, files: dict[str, Path], device: str = "cpu") -> Scorer:
    info = SCORERS.get(name)
    assert set(info.assets) == set(files)
    return info.build(info.settings(), ScorerContext(device, lambda asset: files[asset]))
