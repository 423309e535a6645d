"""The held-out loss of a trained model: on the true earlier frames, and on those that it generated itself.

What separates the two, frame by frame, is accumulated error (App. A). All models of one autoencoder are measured on the
same clips, masks, noise and timesteps.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from nova_bench.core.progress import Progress
from nova_bench.nova.held_out import held_out_loss
from nova_bench.nova.text import encode_prompts
from nova_bench.train.data import open_world, to_pixels
from nova_bench.train.measure import generators
from nova_bench.train.record import HeldOutRecord, shortened
from nova_bench.train.spec import DataSpec, HeldOutSpec, TrainSpec

SPLIT = "test"
_BATCH = 16


def measure_held_out(pipeline: Any, spec: TrainSpec, progress: Progress) -> HeldOutRecord | None:
    """Measure the loss on the first moving clips of the world's test split; None if the file asks for none.

    The model's own context is what it generates from the caption, the true flow and the first latent frame: a model
    that has learnt how things move continues it as the clip does. Without temporal autoregression there is no context,
    so that loss isn't measured.
    """
    section = spec.held_out
    if section is None:
        return None
    world = open_world(_clips_of(spec, section))
    clips = list(islice(_moving(world), section.clips))
    true: list[list[list[float]]] = []
    own: list[list[list[float]]] = []
    with progress.stage("held out", len(clips)) as advance:
        for start in range(0, len(clips), _BATCH):
            batch = clips[start : start + _BATCH]
            latents, prompts, flow = _inputs(pipeline, batch)
            true += _losses(pipeline, section, latents, prompts, flow, None, start)
            if pipeline.transformer.config.temporal_autoregressive:
                context = _continued(pipeline, section, latents, [clip.caption for clip in batch], flow, start)
                own += _losses(pipeline, section, latents, prompts, flow, context, start)
            advance(len(batch))
    return HeldOutRecord(
        clips=len(clips),
        num_frames=section.num_frames,
        extrapolation=section.extrapolation,
        mask_ratios=section.mask_ratios,
        true_context=shortened(true),
        own_context=shortened(own),
    )


def same_measure(record: HeldOutRecord, section: HeldOutSpec) -> bool:
    """Whether a record holds what ``section`` asks for, on as many clips of the same length."""
    asked = (section.clips, section.num_frames, section.extrapolation, section.mask_ratios)
    return (record.clips, record.num_frames, record.extrapolation, record.mask_ratios) == asked


def _clips_of(spec: TrainSpec, section: HeldOutSpec) -> DataSpec:
    changes = {"split": SPLIT, "num_frames": section.num_frames or spec.data.num_frames}
    return spec.data.model_copy(update=changes)


def _moving(world: Any) -> Iterator[Any]:
    """The world's clips in which anything moves: the others' later frames repeat the first."""
    return (clip for index in range(len(world)) if ((clip := world[index]).frames != clip.frames[:1]).any())


@torch.inference_mode()
def _inputs(pipeline: Any, clips: list[Any]) -> tuple[Tensor, list[Tensor], list[float]]:
    """Scaled latents [B, C, T, h, w] without posterior noise, text features, and mean flows."""
    frames = torch.stack([to_pixels(clip.frames) for clip in clips]).to(pipeline.vae.device)
    latents = pipeline.vae.scale(pipeline.vae.moments(frames).chunk(2, 1)[0].float())
    limit = pipeline.transformer.text_conditions.num_tokens
    prompts = encode_prompts(pipeline.tokenizer, pipeline.text_encoder, [clip.caption for clip in clips], limit)
    return latents, prompts, [float(clip.flow) for clip in clips]


def _losses(
    pipeline: Any,
    section: HeldOutSpec,
    latents: Tensor,
    prompts: list[Tensor],
    flow: list[float],
    context: Tensor | None,
    seed: int,
) -> list[list[list[float]]]:
    """Loss of each clip, mask ratio and latent frame."""
    by_ratio = [
        held_out_loss(
            pipeline.transformer,
            pipeline.scheduler,
            latents,
            prompts,
            flow,
            mask_ratio=ratio,
            context=context,
            extrapolation=section.extrapolation,
            repeat=section.repeat,
            seed=seed,
        )
        for ratio in section.mask_ratios
    ]
    return torch.stack(by_ratio, 1).tolist()


def _continued(
    pipeline: Any, section: HeldOutSpec, latents: Tensor, captions: list[str], flow: list[float], seed: int
) -> Tensor:
    """The model's own continuation [B, C, T, h, w] of the first latent frames."""
    return pipeline(
        prompt=captions,
        latents=[latents[:, :, 0]],
        motion_flow=flow,
        max_latent_length=latents.shape[2],
        extrapolation=section.extrapolation,
        num_inference_steps=section.num_inference_steps,
        num_diffusion_steps=section.num_diffusion_steps,
        guidance_scale=section.guidance_scale,
        generator=generators(range(seed, seed + len(captions))),
        output_type="latent",
        disable_progress_bar=True,
    ).frames.float()
