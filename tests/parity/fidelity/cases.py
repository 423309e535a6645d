"""The pairs of frames that LPIPS is compared on, and what the official packages said of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nova_bench.video import read_clip

CLIPS = Path(__file__).parents[2] / "data" / "vbench_clips"
VECTORS = Path(__file__).parent / "lpips.json"
OFFICIAL = json.loads(VECTORS.read_text()) if VECTORS.exists() else {}
# File, first frame of the video, first frame of the reference, how many.
_REAL = {
    "carphone": ("r1_carphone_176x144_8fps_20f.mp4", 3, 0, 6),
    "bikes": ("r2_bikes_320x136_24fps_24f.mp4", 20, 0, 2),
    "bunny": ("r3_bunny_230x130_12fps_17f.mp4", 4, 4, 1),
    "portrait": ("r7_portrait_136x240_16fps_13f.mp4", 9, 2, 2),
}
# Height and width. The official networks fail below 31 (LPIPS) and 21 pixels (ST-LPIPS).
_NOISE = {"odd": (47, 66), "even": (64, 64), "31": (31, 33), "30": (33, 30), "21": (21, 22), "20": (40, 20)}
CASES = (*_REAL, *_NOISE)


def pair(case: str) -> tuple[Tensor, Tensor]:
    """Video and reference, uint8 [T, H, W, 3]."""
    if case in _REAL:
        name, video, reference, count = _REAL[case]
        frames = read_clip(CLIPS / name).frames
        return frames[video : video + count], frames[reference : reference + count]
    noise = np.random.default_rng(CASES.index(case)).integers(0, 256, (2, 2, *_NOISE[case], 3), dtype=np.uint8)
    return torch.from_numpy(noise[0]), torch.from_numpy(noise[1])
