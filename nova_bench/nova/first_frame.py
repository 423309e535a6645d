"""Frames a video begins with: an image that is encoded, or latents that are known already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nova_bench.nova.config import NOVAConfig
from nova_bench.nova.draws import Draws
from nova_bench.nova.errors import InputError


def encode_first_frame(vae: Any, image: Any, config: NOVAConfig, draws: Draws, repeats: int) -> Tensor:
    """Scaled latent [B, C, h, w] of one image for all prompts, or of a list of one image per prompt.

    One generator draws one posterior sample per image, shared by that image's samples, as the official code does;
    with a generator per sample each sample draws its own. ``repeats`` is the number of samples per prompt.
    """
    images = list(image) if isinstance(image, list | tuple) else [image]
    prompts = draws.batch // repeats
    if len(images) not in (1, prompts):
        raise InputError(f"{len(images)} images for {prompts} prompts: give one, or one per prompt")
    copies, out = draws.batch // len(images), []
    for i, item in enumerate(images):
        pixels = image_tensor(item, config.image_size).to(draws.device, vae.dtype)
        mine = draws.generators[i * copies : (i + 1) * copies] if draws.per_sample else draws.generators
        for generator in mine:
            z = vae.scale(vae.encode(pixels, generator))
            z = z.squeeze(2) if z.ndim == 5 else z
            out.append(z.expand(copies // len(mine), -1, -1, -1))
    return torch.cat(out)


def known_frames(
    latents: Tensor | Sequence[Tensor] | None, config: NOVAConfig, batch: int, device: torch.device, dtype: torch.dtype
) -> list[Tensor]:
    """A new list of frames [B, C, h, w] from a list of them, from [B, C, T, h, w], or from nothing."""
    if latents is None:
        return []
    frames = list(latents.unbind(2)) if isinstance(latents, Tensor) else list(latents)
    shape = (batch, config.image_dim, *config.latent_size)
    for frame in frames:
        if tuple(frame.shape) != shape:
            raise InputError(f"latents: a frame has shape {tuple(frame.shape)}, expected {shape}")
    return [frame.to(device, dtype) for frame in frames]


def image_tensor(image: Any, size: tuple[int, int]) -> Tensor:
    """A PIL image or a 0..255 array or tensor [H, W, 3] to pixels [1, 3, H, W] in [-1, 1], float32.

    Raises :class:`InputError` unless it has exactly ``size`` = (H, W).
    """
    if hasattr(image, "convert"):
        image = np.array(image.convert("RGB"))
    pixels = torch.as_tensor(image)
    if pixels.ndim != 3 or pixels.shape[-1] != 3 or tuple(pixels.shape[:2]) != tuple(size):
        raise InputError(f"image has shape {tuple(pixels.shape)}, expected {(*size, 3)} (height, width, RGB)")
    return pixels.float().sub(127.5).div(127.5).permute(2, 0, 1)[None]
