"""Video without temporal autoregression (App. E): the spatial process fills in all frames at once.

The paper ablates temporal autoregressive modeling in one sentence and publishes no code. This is our reading of it.
The network and its parameters stay the same. The temporal encoder sees the current, partly known video: there is no
shift by one frame and no begin-of-video token, and tokens not predicted yet are the mask token. It attends over the
condition and all frames in both directions. Every spatial step predicts the next tokens of every frame, each frame in
its own order and all by the same schedule, so both encoders run on all frames at each step and nothing can be cached.
A mixer, if the model has one, scales and shifts the first frame's features by each later frame's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from nova_bench.nova.draws import Draws
from nova_bench.nova.errors import InputError
from nova_bench.nova.extrapolation import frame_times
from nova_bench.nova.generation import Progress, Sampling, SpatialProcess
from nova_bench.nova.observe import Observer, Watcher
from nova_bench.nova.patches import scatter_tokens, unpatchify
from nova_bench.nova.positions import rotary_table
from nova_bench.nova.transformer import NOVATransformer3DModel


def partial_video_tokens(model: NOVATransformer3DModel, frames: Tensor, known: Tensor) -> Tensor:
    """Temporal tokens [B, M, D] of partly known latent frames [B, C, h, w]; ``known`` [B, N] is 1 or 0 per image token.

    A temporal token covers four image tokens. It is the joint embedding of the known ones, plus the mask token weighted
    by the unknown share.
    """
    config, embed = model.config, model.video_encoder.patch_embed
    rows, columns = config.image_base_size
    share = F.avg_pool2d(known.to(frames.dtype).view(-1, 1, rows, columns), 2).flatten(2).transpose(1, 2)
    cells = known.to(frames.dtype).view(-1, 1, rows, columns).repeat_interleave(config.patch_size, 2)
    cells = cells.repeat_interleave(config.patch_size, 3)
    content = F.conv2d(frames * cells, embed.proj.weight, stride=embed.patch_size).flatten(2).transpose(1, 2)
    assert embed.proj.bias is not None, "see PatchEmbed"
    return content + embed.proj.bias * share + model.mask_embed.mask_token * (1 - share)


def bidirectional_features(
    model: NOVATransformer3DModel, tokens: Tensor, condition: Tensor, times: Sequence[float]
) -> Tensor:
    """Temporal features [R, T, M, D] from tokens [R, T, M, D] without positions and condition [R, L, D]."""
    rotary = None
    if model.video_pos_embed is not None:
        time = model.video_pos_embed(torch.tensor(times, device=tokens.device))
        tokens = tokens + time + model.video_space()
    else:
        angles = torch.cat([model.video_angles(t) for t in range(tokens.shape[1])])
        rotary = rotary_table(angles, tokens.dtype, condition.shape[1])[:, None, None]
    features = model.video_encoder(tokens.flatten(1, 2), condition, rotary).view_as(tokens)
    mixer = model.video_encoder.mixer
    if mixer is not None and tokens.shape[1] > 1:
        first = features[:, :1]
        features = torch.cat((first, mixer(first, features[:, 1:])), 1)
    return features


@torch.inference_mode()
def generate_whole_video(
    model: NOVATransformer3DModel,
    sampling: Sampling,
    condition: Tensor,
    draws: Draws,
    latents: Sequence[Tensor] = (),
    observer: Watcher | None = None,
    frame_progress: Progress = iter,
    step_progress: Progress = iter,
) -> Tensor:
    """Counterpart of :func:`generate_latents`: same arguments, same result [B, C, T, h, w].

    Draws, per sample: one permutation for every new frame [frames, N], then noise [frames, C, h, w] in the official
    order. Given frames are known and visible from the start. ``frame_progress`` counts spatial steps.
    """
    observer = observer or Observer()
    config, guidance = model.config, sampling.guidance
    given = list(latents)
    total = len(given[:-1]) + sampling.max_latent_length
    if guidance.image_scale:
        raise InputError("image_guidance_scale needs temporal autoregression: there is no copy without earlier frames")
    if sampling.extrapolation == "window" and total > config.video_base_size[0]:
        raise InputError("extrapolation 'window' needs temporal autoregression: all frames are generated together")
    new = total - len(given)
    if new == 0:
        return torch.stack(given, 2)
    times = frame_times(sampling.extrapolation, total, config.video_base_size[0])
    process = SpatialProcess(model, sampling, draws, observer, frames=new)
    first = torch.stack(given, 1) if given else None

    def features(patches: Tensor, known: int) -> Tensor:
        order = process.order
        assert order is not None, "drawn before the first features are asked for"
        with observer.region("temporal"):
            frames = unpatchify(scatter_tokens(patches, order), config.patch_size, *config.latent_size)
            mask = torch.zeros_like(order).scatter_(1, order[:, :known], 1)
            tokens = partial_video_tokens(model, frames, mask).unflatten(0, (draws.batch, new))
            if first is not None:
                everything = torch.ones_like(mask[:1]).expand(first.shape[0] * first.shape[1], -1)
                seen = partial_video_tokens(model, first.flatten(0, 1), everything)
                tokens = torch.cat((seen.unflatten(0, first.shape[:2]), tokens), 1)
            out = bidirectional_features(model, guidance.expand(tokens), condition, times)
            observer.record("temporal", out)
            return out[:, len(given) :].flatten(0, 1)

    progress = step_progress if total == 1 else frame_progress
    frames = process.fill(features, progress).unflatten(0, (draws.batch, new))
    observer.record("latent", frames)
    return torch.cat(([first] if first is not None else []) + [frames], 1).transpose(1, 2)
