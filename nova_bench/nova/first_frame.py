"""The given first frames of a video: an image to encode, or known latents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nova_bench.nova.config import NOVAConfig
from nova_bench.nova.draws import Draws
from nova_bench.nova.errors import InputError

_INTEGERS = "give integers 0..255, for floats from 0 to 1 (image * 255).round().astype('uint8')"


def encode_first_frame(vae: Any, image: Any, config: NOVAConfig, draws: Draws, repeats: int) -> Tensor:
    """Encode one image for all prompts, or one per prompt, to scaled latents [B, C, h, w].

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
    """Return a new list of frames [B, C, h, w] from such a list, from [B, C, T, h, w], or from None."""
    if latents is None:
        return []
    frames = list(latents.unbind(2)) if isinstance(latents, Tensor) else list(latents)
    shape = (batch, config.image_dim, *config.latent_size)
    for frame in frames:
        if tuple(frame.shape) != shape:
            raise InputError(f"latents: a frame has shape {tuple(frame.shape)}, expected {shape}")
    return [frame.to(device, dtype) for frame in frames]


def image_tensor(image: Any, size: tuple[int, int]) -> Tensor:
    """Convert a PIL image of bytes, or integers 0..255 [H, W, 3], to float32 pixels [1, 3, H, W] in [-1, 1].

    Raises :class:`InputError` unless the size is ``size`` = (H, W), and for every other type: the range of floats (0 to
    1, -1 to 1 or 0 to 255) is never guessed.
    """
    if hasattr(image, "convert"):
        if image.mode.startswith(("I", "F")):
            raise InputError(f"image has mode {image.mode}, whose scale is unknown: {_INTEGERS}")
        image = np.array(image.convert("RGB"))
    pixels = torch.as_tensor(image)
    if pixels.ndim != 3 or pixels.shape[-1] != 3 or tuple(pixels.shape[:2]) != tuple(size):
        raise InputError(f"image has shape {tuple(pixels.shape)}, expected {(*size, 3)} (height, width, RGB)")
    if pixels.is_floating_point() or pixels.is_complex() or pixels.dtype == torch.bool:
        raise InputError(f"image holds {str(pixels.dtype).removeprefix('torch.')}, whose scale is unknown: {_INTEGERS}")
    pixels = pixels.to(torch.int64) if pixels.dtype != torch.uint8 else pixels
    if pixels.min() < 0 or pixels.max() > 255:
        raise InputError(f"image holds integers from {pixels.min()} to {pixels.max()}: {_INTEGERS}")
    return pixels.float().sub(127.5).div(127.5).permute(2, 0, 1)[None]
