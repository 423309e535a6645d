"""The diffusion loss of videos that were not trained on, by frame, with the same draws for all models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from nova_bench.nova.errors import InputError
from nova_bench.nova.observe import Observer
from nova_bench.nova.training import (
    causal_features,
    conditions,
    frame_loss_terms,
    spatial_features,
    whole_video_features,
)
from nova_bench.nova.transformer import NOVATransformer3DModel


@torch.inference_mode()
def held_out_loss(
    model: NOVATransformer3DModel,
    scheduler: Any,
    latents: Tensor,
    prompts: Sequence[Tensor],
    motion_flow: Sequence[float] | None = None,
    *,
    mask_ratio: float,
    context: Tensor | None = None,
    extrapolation: str = "interpolate",
    repeat: int = 4,
    seed: int = 0,
) -> Tensor:
    """Mean squared error of the masked tokens of each latent frame, [B, T], over ``repeat`` diffusion draws each.

    ``latents`` [B, C, T, h, w] are scaled. Token order, noise and timesteps depend only on ``seed`` and the shape of
    ``latents``, so models of one latent size are compared on the same draws. ``mask_ratio`` is the share of masked
    tokens; the others are given. A model with temporal autoregression sees the earlier frames of ``context`` (default:
    ``latents``), one without sees the given tokens of all frames: the two losses are not like for like.
    ``extrapolation`` is the rule for positions of more frames than were trained, ``interpolate`` or ``extend``; without
    temporal autoregression it is always ``interpolate``.

    InputError if no token would be masked, if a ``context`` is given that the model doesn't read, or for another rule.
    """
    config, (batch, _, length) = model.config, latents.shape[:3]
    count = config.num_image_tokens
    visible = round((1 - mask_ratio) * count)
    if visible >= count:
        raise InputError(f"mask_ratio {mask_ratio}: no token of {count} is masked")
    if context is not None and not config.temporal_autoregressive:
        raise InputError("context: a model without temporal autoregression has no earlier frames")
    if extrapolation not in ("interpolate", "extend"):
        raise InputError(f"extrapolation {extrapolation!r}: a held-out loss knows interpolate and extend")
    draw = torch.Generator().manual_seed(seed)  # the CPU's draws on every device
    order = torch.rand(batch * length, count, generator=draw).argsort(1).to(latents.device)
    mask = torch.ones(batch * length, count, device=latents.device).scatter_(1, order[:, :visible], 0)
    frames = latents.transpose(1, 2).flatten(0, 1)
    condition = conditions(model, list(prompts), motion_flow)
    if config.temporal_autoregressive:
        features = causal_features(model, latents if context is None else context, condition, extrapolation)
    else:
        features = whole_video_features(model, frames, mask, condition, length)
    z = spatial_features(model, frames, features.flatten(0, 1), order, visible)
    error = frame_loss_terms(model, scheduler, z, frames, repeat, draw, Observer())
    masked = (error * mask.repeat(repeat, 1)).unflatten(0, (repeat, batch, length))
    return masked.sum((0, 3)) / (repeat * (count - visible))
