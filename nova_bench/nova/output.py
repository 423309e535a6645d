"""Decode latents and convert pixels to the requested output type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nova_bench.nova.errors import NotFiniteError

OUTPUT_TYPES = ("pil", "np", "pt", "latent")


@dataclass
class NOVAPipelineOutput:
    """``images``: list of PIL images, or uint8 [B, H, W, 3]; ``frames``: uint8 [B, F, H, W, 3]. The other is None.

    As diffusers' outputs, it can be read by name (``output["frames"]``) or place (``output[0]``, which is not None).
    Output type "pt" gives float pixels [B, 3, H, W] or [B, 3, F, H, W] in about [-1, 1]; "latent" gives scaled latents
    [B, C, T, h, w] in ``frames``, for image models too (as the official pipeline does).
    """

    images: Any = None
    frames: Any = None

    def __getitem__(self, key: str | int | slice) -> Any:
        return getattr(self, key) if isinstance(key, str) else self.to_tuple()[key]

    def to_tuple(self) -> tuple[Any, ...]:
        """What is not None, in the order of the fields."""
        return tuple(value for value in (self.images, self.frames) if value is not None)


def to_uint8(pixels: Tensor) -> np.ndarray:
    """Pixels in about [-1, 1], [B, 3, H, W] or [B, 3, F, H, W], to uint8 with channels last, by truncation.

    Raises :class:`NotFiniteError`, since NaN cast to bytes would be black.
    """
    refuse_not_finite({}, pixels, "decoded pixels")
    return _bytes(pixels)


def finite_samples(batch: Tensor) -> list[bool]:
    """Which samples [B, ...] hold finite numbers only. Waits for the device, once."""
    low, high = batch.flatten(1).aminmax(dim=1)  # both are NaN if any number is
    return (low.isfinite() & high.isfinite()).tolist()


def refuse_not_finite(faults: dict[int, str], batch: Tensor, what: str) -> None:
    """Raise :class:`NotFiniteError` if a sample [B, ...] of ``batch`` is in ``faults`` or is not finite."""
    for index, finite in enumerate(finite_samples(batch)):
        if not finite:
            faults.setdefault(index, what)
    if faults:
        raise NotFiniteError(faults, {index: part for index, part in enumerate(batch) if index not in faults})


def decode_latents(vae: Any, latents: Tensor, output_type: str, batch_size: int = 1) -> NOVAPipelineOutput:
    """Scaled latents [B, C, T, h, w] to an output of type "pil", "np" or "pt", ``batch_size`` samples at a time.

    Unless tensors are requested, each decoded chunk leaves the device at once, as bytes. Raises
    :class:`NotFiniteError`, which holds the finite samples.
    """
    faults = {index: "latents" for index, finite in enumerate(finite_samples(latents)) if not finite}
    parts: dict[int, Any] = {}
    for chunk in torch.arange(len(latents)).split(max(1, batch_size)):
        indices = chunk.tolist()
        pixels = vae.decode(vae.unscale(latents[indices[0] : indices[-1] + 1]))
        for index, part, finite in zip(indices, pixels, finite_samples(pixels), strict=True):
            if not finite:
                faults.setdefault(index, "decoded pixels")
            elif index not in faults:
                parts[index] = part if output_type == "pt" else _bytes(part[None])[0]
    if faults:
        raise NotFiniteError(faults, parts)
    out = torch.stack(list(parts.values())) if output_type == "pt" else np.stack(list(parts.values()))
    if out.ndim == 5:
        return NOVAPipelineOutput(frames=out)
    if output_type == "pil":
        from PIL import Image

        return NOVAPipelineOutput(images=[Image.fromarray(image) for image in out])
    return NOVAPipelineOutput(images=out)


def _bytes(pixels: Tensor) -> np.ndarray:
    return pixels.float().mul(127.5).add_(127.5).clamp_(0, 255).byte().movedim(1, -1).cpu().numpy()
