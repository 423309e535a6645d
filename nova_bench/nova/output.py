"""Decoding latents and turning pixels into what a caller asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

OUTPUT_TYPES = ("pil", "np", "pt", "latent")


@dataclass
class NOVAPipelineOutput:
    """``images``: list of PIL images, or uint8 [B, H, W, 3]; ``frames``: uint8 [B, F, H, W, 3]. The other is None.

    Output type "pt" gives float pixels [B, 3, H, W] or [B, 3, F, H, W] in about [-1, 1]; "latent" gives scaled latents
    [B, C, T, h, w] in ``frames``, for image models too (as the official pipeline does).
    """

    images: Any = None
    frames: Any = None


def to_uint8(pixels: Tensor) -> np.ndarray:
    """Pixels in about [-1, 1], [B, 3, H, W] or [B, 3, F, H, W], to uint8 with channels last, by truncation."""
    return pixels.float().mul(127.5).add_(127.5).clamp_(0, 255).byte().movedim(1, -1).cpu().numpy()


def decode_latents(vae: Any, latents: Tensor, output_type: str, batch_size: int = 1) -> NOVAPipelineOutput:
    """Scaled latents [B, C, T, h, w] to an output of type "pil", "np" or "pt", ``batch_size`` samples at a time.

    Unless tensors are asked for, each decoded chunk leaves the device at once, as bytes.
    """
    parts = []
    for chunk in latents.split(max(1, batch_size)):
        pixels = vae.decode(vae.unscale(chunk))
        parts.append(pixels if output_type == "pt" else to_uint8(pixels))
    out = torch.cat(parts) if output_type == "pt" else np.concatenate(parts)
    if out.ndim == 5:
        return NOVAPipelineOutput(frames=out)
    if output_type == "pil":
        from PIL import Image

        return NOVAPipelineOutput(images=[Image.fromarray(image) for image in out])
    return NOVAPipelineOutput(images=out)
