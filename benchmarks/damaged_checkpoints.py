"""Copies of nova-tiny that are damaged in known ways; gate_checkpoints.py asks the gate about them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from nova_bench.core.progress import Progress
from nova_bench.models.published import checkpoint_path
from nova_bench.train.load import load_training
from nova_bench.train.run import train

ORIGINAL = "nova-tiny"
BLOCK = "image_encoder.blocks.3."
"""The fourth of the six blocks that predict the tokens of a frame."""
TABLES = ("text_embed.weight", "embed_tokens.weight", "mask_embed.")
"""Matrices that are no linear layers."""
EARLY_STEPS = 200
"""Of the transformer, with 8 clips each; nova-tiny had 12,500 with 32 clips, or 16 and 96 images."""

Change = Callable[[str, Tensor, torch.Generator], Tensor]
"""(name, weights, random numbers) -> new weights."""


def damaged(folder: Path, change: Change, seed: int = 0) -> Path:
    """Write a copy of nova-tiny with changed weights of the transformer and the text encoder; returns its folder."""
    shutil.copytree(checkpoint_path(ORIGINAL), folder, dirs_exist_ok=True)
    generator = torch.Generator().manual_seed(seed)
    for part in ("transformer", "text_encoder"):
        (path,) = (folder / part).glob("*.safetensors")
        weights = load_file(path)
        changed = {name: change(name, weights[name].float(), generator) for name in sorted(weights)}
        save_file({name: changed[name].to(weights[name].dtype) for name in weights}, path, {"format": "pt"})
    return folder


def noised(name: str, weights: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    """Add noise to the matrices of one block: ``strength`` standard deviations of each matrix."""
    if not name.startswith(BLOCK) or weights.ndim != 2:
        return weights
    return weights + strength * weights.std() * torch.randn(weights.shape, generator=generator)


def without_text(name: str, weights: Tensor, generator: torch.Generator) -> Tensor:
    """Zero the matrix that projects the text's features: the model sees the same text for every prompt."""
    return torch.zeros_like(weights) if name == "text_embed.proj.weight" else weights


def int8(name: str, weights: Tensor, generator: torch.Generator) -> Tensor:
    """Round each row of each linear layer to 255 levels, symmetric about 0."""
    if weights.ndim != 2 or any(table in name for table in TABLES):
        return weights
    scale = weights.abs().amax(dim=1, keepdim=True).clamp_min(1e-12) / 127
    return (weights / scale).round() * scale


def trained_shortly(runs: Path) -> Path:
    """Train transformer and text encoder anew, shortly, on nova-tiny's autoencoder; returns the checkpoint."""
    settings = {
        "name": "earlier",
        "autoencoder.pretrained": checkpoint_path(ORIGINAL) / "vae",
        "autoencoder.optimization": "null",
        "autoencoder.decoder_optimization": "null",
        "data.clips": 2000,
        "transformer.batch_size": 8,
        "transformer.optimization.steps": EARLY_STEPS,
    }
    spec = load_training("tiny", [f"{key}={value}" for key, value in settings.items()])
    return train(spec, runs, "cpu", Progress(quiet=True)).checkpoint
