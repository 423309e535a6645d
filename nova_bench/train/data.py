"""Clips of a world as tensors, and their latents, encoded once and stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nova_bench.core.atomic_files import write_with
from nova_bench.core.errors import UserError
from nova_bench.core.progress import Progress
from nova_bench.nova.vae import AutoencoderKLOpenSora
from nova_bench.train.autoencoder import moments
from nova_bench.train.optimization import Precision
from nova_bench.train.spec import DataSpec

CLIPS_PER_FILE, CLIPS_PER_BATCH = 250, 10


def open_world(data: DataSpec) -> Any:
    """The world of clips that a specification names."""
    from nova_bench.shapes import ShapesWorld

    return ShapesWorld(data.split, data.seed, data.num_frames, data.size, scenes=data.scenes)


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
        """(scaling_factor, shift_factor) that give the latents of the first file mean 0 and standard deviation 1.

        Only the first file counts, so the factors don't change when clips are added.
        """
        mean, std = (part[:CLIPS_PER_FILE].astype(np.float32) for part in (self.mean, self.std))
        return float(1 / np.sqrt(mean.var() + np.square(std).mean())), float(mean.mean())


def encode_clips(
    vae: AutoencoderKLOpenSora, data: DataSpec, folder: Path, precision: Precision, progress: Progress
) -> LatentClips:
    """Encode the first ``data.clips`` clips, or read their latents from files of an earlier call in ``folder``.

    ``folder`` must belong to this autoencoder, data and precision. Files are written atomically.
    """
    world = open_world(data)
    ranges = [range(start, min(start + CLIPS_PER_FILE, data.clips)) for start in range(0, data.clips, CLIPS_PER_FILE)]
    paths = {indices: folder / f"{indices.start:07d}-{indices.stop:07d}.npz" for indices in ranges}
    missing = [indices for indices, path in paths.items() if not path.is_file()]
    if missing:
        with progress.stage("encode", sum(map(len, missing))) as advance:
            for indices in missing:
                write_with(paths[indices], _writer(_encode(vae, [world[i] for i in indices], precision)))
                advance(len(indices))
    parts = [_read(path) for path in paths.values()]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return LatentClips(
        joined["mean"], joined["std"], joined["flow"], joined["captions"].tolist(), joined["dense_captions"].tolist()
    )


@torch.inference_mode()
def _encode(vae: AutoencoderKLOpenSora, clips: list[Any], precision: Precision) -> dict[str, np.ndarray]:
    parts = []
    for start in range(0, len(clips), CLIPS_PER_BATCH):
        frames = torch.stack([to_pixels(clip.frames) for clip in clips[start : start + CLIPS_PER_BATCH]])
        with precision.autocast():
            parts.append(moments(vae, frames.to(vae.device)))
    mean, log_variance = (torch.cat(part).cpu() for part in zip(*parts, strict=True))
    return {
        "mean": mean.half().numpy(),
        "std": log_variance.mul(0.5).exp().half().numpy(),
        "flow": np.array([clip.flow for clip in clips], np.float32),
        "captions": np.array([clip.caption for clip in clips]),
        "dense_captions": np.array([clip.dense_caption for clip in clips]),
    }


def _writer(arrays: dict[str, np.ndarray]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with path.open("wb") as stream:
            np.savez(stream, **arrays)  # type: ignore[arg-type]  # none of them is called allow_pickle

    return write


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{path}: not a readable file of latents ({error})", "delete it; it will be regenerated"
        ) from error
