"""Clips of a world as tensors, and their latents, which are encoded once and kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nova_bench.atomic import write_with
from nova_bench.errors import UserError
from nova_bench.nova.vae import Autoencoder
from nova_bench.progress import Progress
from nova_bench.train.spec import DataSpec

CLIPS_PER_FILE = 250


def open_world(data: DataSpec) -> Any:
    """The world of clips that a specification names."""
    from nova_bench.shapes import ShapesWorld

    return ShapesWorld(split=data.split, seed=data.seed, num_frames=data.num_frames, size=data.size)


def to_pixels(frames: np.ndarray) -> Tensor:
    """uint8 RGB [F, H, W, 3] -> float32 [3, F, H, W] in [-1, 1]."""
    return torch.from_numpy(frames).permute(3, 0, 1, 2).float().div_(127.5).sub_(1.0)


@dataclass(frozen=True)
class LatentClips:
    """Posteriors and captions of all clips: ``mean`` and ``std`` [clips, C, T, h, w] unscaled, float16."""

    mean: np.ndarray
    std: np.ndarray
    flow: np.ndarray
    """Mean optical flow of each clip, in pixels."""
    captions: list[str]
    dense_captions: list[str]

    def __len__(self) -> int:
        return len(self.mean)

    def scaling(self) -> tuple[float, float]:
        """(scaling_factor, shift_factor) that give the latents mean 0 and standard deviation 1."""
        mean = self.mean.astype(np.float32)
        spread = np.sqrt(mean.var() + np.square(self.std.astype(np.float32)).mean())
        return float(1 / spread), float(mean.mean())


def encode_clips(vae: Autoencoder, data: DataSpec, folder: Path, progress: Progress) -> LatentClips:
    """Latents of the first ``data.clips`` clips, through files in ``folder`` that a later call reads instead.

    ``folder`` must be one for this autoencoder and this data. Each file is whole or not there.
    """
    world = open_world(data)
    starts = range(0, data.clips, CLIPS_PER_FILE)
    paths = {start: folder / f"{start:07d}-{min(start + CLIPS_PER_FILE, data.clips):07d}.npz" for start in starts}
    missing = [start for start, path in paths.items() if not path.is_file()]
    if missing:
        with progress.stage("encode", len(missing) * CLIPS_PER_FILE) as advance:
            for start in missing:
                clips = [world[i] for i in range(start, min(start + CLIPS_PER_FILE, data.clips))]
                write_with(paths[start], _writer(_encode(vae, clips)))
                advance(CLIPS_PER_FILE)
    parts = [_read(path) for path in paths.values()]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return LatentClips(
        joined["mean"], joined["std"], joined["flow"], joined["captions"].tolist(), joined["dense_captions"].tolist()
    )


@torch.inference_mode()
def _encode(vae: Autoencoder, clips: list[Any]) -> dict[str, np.ndarray]:
    moments = [vae.moments(to_pixels(clip.frames)[None])[0].float() for clip in clips]
    mean, log_variance = torch.stack(moments).cpu().chunk(2, 1)
    return {
        "mean": mean.half().numpy(),
        "std": log_variance.clamp(-30.0, 20.0).mul(0.5).exp().half().numpy(),
        "flow": np.array([clip.flow for clip in clips], np.float32),
        "captions": np.array([clip.caption for clip in clips]),
        "dense_captions": np.array([clip.dense_caption for clip in clips]),
    }


def _writer(arrays: dict[str, np.ndarray]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with path.open("wb") as stream:
            np.savez(stream, **arrays)

    return write


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path}: not a readable file of latents ({error})", "delete it: it is made again") from error
