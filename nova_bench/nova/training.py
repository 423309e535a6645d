"""The training loss (Sections 3.2 to 3.4): every frame, a random subset of its tokens, one diffusion step each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nova_bench.nova.errors import InputError
from nova_bench.nova.extrapolation import frame_times
from nova_bench.nova.observe import Observer, Watcher
from nova_bench.nova.patches import gather_tokens, patchify, scatter_tokens
from nova_bench.nova.positions import rotary_table
from nova_bench.nova.temporal import block_causal_mask
from nova_bench.nova.transformer import NOVATransformer3DModel
from nova_bench.nova.whole_video import bidirectional_features, partial_video_tokens

MASK_RATIO_MIN, MASK_RATIO_MEAN, MASK_RATIO_STD = 0.7, 1.0, 0.25


def training_loss(
    model: NOVATransformer3DModel,
    scheduler: Any,
    latents: Tensor,
    prompts: Sequence[Tensor],
    motion_flow: Sequence[float] | None = None,
    *,
    prompt_dropout: float = 0.1,
    loss_repeat: int = 4,
    numpy_random: np.random.RandomState | None = None,
    generator: torch.Generator | None = None,
    observer: Watcher | None = None,
) -> dict[str, Tensor]:
    """Losses of a batch of scaled latents, differentiable in the model's parameters.

    Args:
        model: in any arrangement.
        scheduler: defines noising and target.
        latents: [B, C, T, h, w], or [B, C, h, w] for images.
        prompts: text features [n_i, E] of each sample, replaced by the null text with probability ``prompt_dropout``.
        motion_flow: mean optical flow of each sample (video models; 5 if not given).
        loss_repeat: diffusion draws per token; the network before the diffusion MLP runs once.
        numpy_random, generator: sources of random numbers; numpy's and torch's global ones if not given.
        observer: sees ``mask``, ``noise`` and ``timestep_index``.

    Returns:
        ``{"loss"}`` for images; for videos ``{"loss_t2i", "loss_i2i"}``, the first frame's loss and the others', each
        weighted as if it were the whole video. The total is their sum.

    Draws come in the official order: one uniform per prompt (numpy), the token order (torch), the mask ratio (numpy,
    one for the batch), the noise (torch), the diffusion timesteps (torch, one per token).
    """
    observer = observer or Observer()
    latents = latents[:, :, None] if latents.ndim == 4 else latents
    if latents.ndim != 5 or tuple(latents.shape[3:]) != model.config.latent_size:
        raise InputError(f"latents have shape {tuple(latents.shape)}, expected [B, C, T, *{model.config.latent_size}]")
    if len(prompts) != len(latents):
        raise InputError(f"{len(prompts)} prompts for {len(latents)} latents")
    random = numpy_random if numpy_random is not None else np.random.mtrand._rand
    batch, length, count = latents.shape[0], latents.shape[2], model.config.num_image_tokens
    condition = conditions(model, _drop(prompts, prompt_dropout, random), motion_flow)
    order, visible = _draw_mask(batch * length, count, random, generator, latents.device)
    mask = torch.ones(batch * length, count, device=latents.device).scatter_(1, order[:, :visible], 0)
    observer.record("mask", mask)
    frames = latents.transpose(1, 2).flatten(0, 1)
    if model.config.temporal_autoregressive:
        features = causal_features(model, latents, condition)
    else:
        features = whole_video_features(model, frames, mask, condition, length)
    z = spatial_features(model, frames, features.flatten(0, 1), order, visible)
    error = frame_loss_terms(model, scheduler, z, frames, loss_repeat, generator, observer)
    weight = mask.repeat(loss_repeat, 1)  # of masked tokens only; the weights sum to one
    loss = error * weight / (weight.sum() + 1e-5)
    if length == 1:
        return {"loss": loss.sum()}
    per_frame = loss.view(-1, length, count).sum((0, 2))
    return {"loss_t2i": per_frame[0] * length, "loss_i2i": per_frame[1:].sum() * (length / (length - 1))}


def freeze_as_official(model: NOVATransformer3DModel) -> None:
    """Stop gradients where the official trainers do: text norm and motion; for images also time and video patches."""
    parts: list[nn.Module | None] = [model.text_embed.norm if model.text_embed else None, model.motion_embed]
    if not model.config.has_motion:
        parts += [model.video_pos_embed, model.video_encoder.patch_embed]
    for part in parts:
        if part is not None:
            part.requires_grad_(False)


def _drop(prompts: Sequence[Tensor], probability: float, random: np.random.RandomState) -> list[Tensor]:
    return [prompt[:0] if random.rand() < probability else prompt for prompt in prompts]


def conditions(model: NOVATransformer3DModel, prompts: list[Tensor], flow: Sequence[float] | None) -> Tensor:
    """Text and motion tokens [B, L, D] of text features [n_i, E] and mean flows (5 if not given)."""
    embed = model.text_conditions
    condition = embed(embed.fill(prompts))
    values = [5.0] * len(prompts) if flow is None else list(flow)
    motion = model.motion_tokens(torch.tensor(values, dtype=torch.float32, device=condition.device))
    return condition if motion is None else torch.cat((condition, motion), 1)


def _draw_mask(
    rows: int, count: int, random: np.random.RandomState, generator: torch.Generator | None, device: torch.device
) -> tuple[Tensor, int]:
    """Draw a token order [rows, N] for each frame, and the number of leading visible tokens (same for all)."""
    from scipy.stats import truncnorm

    order = torch.rand(rows, count, 1, generator=generator, device=device).squeeze(-1).argsort(1)
    bounds = ((MASK_RATIO_MIN - MASK_RATIO_MEAN) / MASK_RATIO_STD, (1.0 - MASK_RATIO_MEAN) / MASK_RATIO_STD)
    ratio = truncnorm.rvs(*bounds, loc=MASK_RATIO_MEAN, scale=MASK_RATIO_STD, random_state=random)
    return order, int(np.round((1 - ratio) * count))


def _times(model: NOVATransformer3DModel, length: int, rule: str = "interpolate") -> list[float]:
    return frame_times(rule, length, model.config.video_base_size[0])


def causal_features(
    model: NOVATransformer3DModel, latents: Tensor, condition: Tensor, rule: str = "interpolate"
) -> Tensor:
    """Temporal features [B, T, M, D] of all frames in one pass, each from the frames before it.

    ``rule`` places frames in time, see :func:`nova_bench.nova.extrapolation.frame_times`.
    """
    batch, _, length = latents.shape[:3]
    encoder, tokens_per_frame = model.video_encoder, model.config.num_video_tokens
    begin = model.mask_embed.bos_token.expand(batch, 1, tokens_per_frame, -1)
    previous = encoder.patch_embed(latents[:, :, :-1].transpose(1, 2).flatten(0, 1))
    tokens = torch.cat((begin, previous.unflatten(0, (batch, length - 1))), 1) if length > 1 else begin
    rotary, mask = None, None
    if model.video_pos_embed is not None:
        times = torch.tensor(_times(model, length, rule), device=latents.device)
        tokens = tokens + model.video_pos_embed(times) + model.video_space()
    else:
        angles = torch.cat([model.video_angles(t) for t in range(length)])
        rotary = rotary_table(angles, tokens.dtype, condition.shape[1])[:, None, None]
    if length > 1:
        mask = block_causal_mask(condition.shape[1], length, tokens_per_frame, tokens.dtype, tokens.device)
    features = encoder(tokens.flatten(1, 2), condition, rotary, mask).view_as(tokens)
    if encoder.mixer is not None and length > 1:
        anchor = features[:, :1]
        features = torch.cat((anchor, encoder.mixer(anchor, features[:, 1:])), 1)
    return features


def whole_video_features(
    model: NOVATransformer3DModel, frames: Tensor, mask: Tensor, condition: Tensor, length: int
) -> Tensor:
    """Temporal features [B, T, M, D] of a model without temporal autoregression, from all frames' unmasked tokens.

    ``frames`` [B*T, C, h, w], ``mask`` [B*T, N] with 1 for masked tokens.
    """
    tokens = partial_video_tokens(model, frames, 1 - mask).unflatten(0, (-1, length))
    return bidirectional_features(model, tokens, condition, _times(model, length))


def spatial_features(
    model: NOVATransformer3DModel, frames: Tensor, features: Tensor, order: Tensor, visible: int
) -> Tensor:
    """Spatial features [B*T, N, D] in frame order, with the first ``visible`` tokens of ``order`` known."""
    tokens = gather_tokens(model.image_encoder.patch_embed(frames), order[:, :visible])
    masked = model.mask_embed.mask_token.expand(len(order), order.shape[1] - visible, -1)
    tokens = torch.cat((tokens, masked), 1)
    space, angles, rotary = model.image_space(), model.image_angles(), None
    if space is not None:
        tokens = tokens + space[order]
    if angles is not None:
        rotary = rotary_table(angles[order], tokens.dtype, features.shape[1])[:, :, None]
    z = model.image_encoder(tokens, features, visible, slice(0, order.shape[1]), rotary)
    return scatter_tokens(z, order)


def frame_loss_terms(
    model: NOVATransformer3DModel,
    scheduler: Any,
    z: Tensor,
    frames: Tensor,
    repeat: int,
    generator: torch.Generator | None,
    observer: Watcher,
) -> Tensor:
    """Mean squared error of every token [repeat * B*T, N], for ``repeat`` noises and timesteps of each.

    They are drawn on the generator's device.
    """
    x = patchify(frames, model.config.patch_size).repeat(repeat, 1, 1)
    where = x.device if generator is None else generator.device
    noise = torch.randn(x.shape, generator=generator, device=where, dtype=x.dtype).to(x.device)
    index = scheduler.sample_training_index(tuple(x.shape[:2]), device=where, generator=generator).to(x.device)
    observer.record("noise", noise)
    observer.record("timestep_index", index)
    noisy = scheduler.add_noise(x, noise, index)
    predicted = model.image_decoder(noisy, scheduler.training_timesteps(index), z.repeat(repeat, 1, 1))
    return F.mse_loss(predicted.float(), scheduler.target(x, noise, index).float(), reduction="none").mean(-1)
