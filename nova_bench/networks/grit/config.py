"""Sizes of GRiT (Wu et al., 2022, arXiv 2212.00280)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GRiTConfig:
    """GRiT-B, trained for dense captions and object names, as VBench uses it."""

    width: int = 768
    depth: int = 12
    global_blocks: tuple[int, ...] = (2, 5, 8, 11)
    """Blocks whose attention reaches over the whole image; that of the others stays in windows."""
    window: int = 14
    trained_side: int = 64
    """Patches per side of the images in training, which the tables of relative positions were made for."""
    channels: int = 256
    """Of the feature pyramid."""
    box_width: int = 1024
    text_width: int = 768
    text_depth: int = 6
    text_heads: int = 12
    vocabulary: int = 30522
    text_positions: int = 1024


PATCH = 16
STRIDES = (8, 16, 32, 64, 128)  # of the pyramid's levels, called p3 to p7
MULTIPLE = 32  # images are padded to multiples of it
