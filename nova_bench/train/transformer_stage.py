"""Training of the NOVA transformer on latents, together with its text encoder."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nova_bench.core.errors import UserError
from nova_bench.nova.building import building
from nova_bench.nova.config import NOVAConfig
from nova_bench.nova.errors import NOVAError
from nova_bench.nova.text import PhiTextEncoder, encode_prompts
from nova_bench.nova.training import training_loss
from nova_bench.nova.transformer import NOVATransformer3DModel
from nova_bench.nova.vae import Autoencoder
from nova_bench.train.data import LatentClips
from nova_bench.train.loop import Randomness
from nova_bench.train.spec import TrainSpec

UNSTATED_FLOW = 5.0
"""The pipeline's default motion. No shape moves that much on average, so here it means "not stated"."""


class TransformerStage:
    """The loss of :func:`nova_bench.nova.training.training_loss`; nothing is frozen, since everything starts untrained.

    The official trainers freeze the motion embedding and the text's LayerNorm because theirs come from an earlier
    stage.
    """

    name = "transformer"
    outer: tuple[str, ...] = ("embed", "norm", "head")

    def __init__(
        self,
        spec: TrainSpec,
        transformer: NOVATransformer3DModel,
        text_encoder: PhiTextEncoder,
        tokenizer: Any,
        scheduler: Any,
        vae: Autoencoder,
        clips: LatentClips,
        device: str,
    ):
        self.module: nn.Module = nn.ModuleDict({"transformer": transformer, "text_encoder": text_encoder}).to(device)
        networks = {name: getattr(transformer, name) for name in ("video_encoder", "image_encoder", "image_decoder")}
        self.blocks: dict[str, nn.Module] = {
            f"{name}.blocks.{i}": block for name, network in networks.items() for i, block in enumerate(network.blocks)
        }
        self._section, self._tokenizer, self._scheduler = spec.transformer, tokenizer, scheduler
        self._transformer, self._text_encoder = transformer, text_encoder
        self._vae, self._clips, self._device = vae, clips, device

    def losses(self, step: int, random: Randomness) -> dict[str, Tensor]:
        """``loss`` and, for videos, its parts ``loss_t2i`` (first frames) and ``loss_i2i`` (the others)."""
        section = self._section
        losses = self._losses_of(section.batch_size, None, random)
        if section.images:
            first = "loss_t2i" if "loss_t2i" in losses else "loss"
            of_images = self._losses_of(section.images, 1, random)["loss"]
            share = section.images / (section.images + section.batch_size)
            losses[first] = torch.lerp(losses[first], of_images, share)
        return losses if "loss" in losses else {"loss": losses["loss_t2i"] + losses["loss_i2i"], **losses}

    def _losses_of(self, clips: int, frames: int | None, random: Randomness) -> dict[str, Tensor]:
        """Losses of ``clips`` random clips, on their first ``frames`` latent frames or on all."""
        section, data = self._section, self._clips
        rows = random.numpy.randint(len(data), size=clips)
        dense = random.numpy.rand(len(rows)) < section.dense_captions
        stated = random.numpy.rand(len(rows)) < section.stated_flow
        captions = [(data.dense_captions if d else data.captions)[i] for i, d in zip(rows, dense, strict=True)]
        limit = self._transformer.text_conditions.num_tokens
        with _attention(self._device):
            return training_loss(
                self._transformer,
                self._scheduler,
                self._latents(rows, frames, random),
                encode_prompts(self._tokenizer, self._text_encoder, captions, limit),
                np.where(stated, data.flow[rows], UNSTATED_FLOW).tolist(),
                prompt_dropout=section.prompt_dropout,
                loss_repeat=section.loss_repeat,
                numpy_random=random.numpy,
                generator=random.torch,
            )

    def _latents(self, rows: np.ndarray, frames: int | None, random: Randomness) -> Tensor:
        """Draw scaled samples from the posteriors of these clips, [B, C, T, h, w]."""
        posteriors = (self._clips.mean[rows, :, :frames], self._clips.std[rows, :, :frames])
        mean, std = (torch.from_numpy(x).to(self._device).float() for x in posteriors)
        return self._vae.scale(mean + std * torch.randn(mean.shape, generator=random.torch, device=self._device))


def _attention(device: str) -> AbstractContextManager:
    """Use plain attention products on the CPU: for a few dozen tokens torch's fused backward kernel is slow there."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    return sdpa_kernel(SDPBackend.MATH) if torch.device(device).type == "cpu" else nullcontext()


def make_transformer(spec: TrainSpec, vae: Autoencoder, seed: int) -> NOVATransformer3DModel:
    """Build an untrained transformer for this autoencoder and text. Raises UserError if the settings describe none."""
    derived = {
        "image_dim": vae.latent_channels,
        "image_size": [spec.data.size, spec.data.size],
        "image_stride": vae.spatial_stride,
        "text_token_dim": spec.text.width,
        "text_token_len": spec.text.max_tokens,
    }
    for key in sorted(derived.keys() & spec.transformer.config.keys()):
        raise UserError(f"transformer.config.{key} follows from the rest of the file", "remove it")
    name = "transformer.config"
    try:
        config = NOVAConfig.from_dict({**derived, **spec.transformer.config}, name)
        with torch.random.fork_rng(devices=[]), building(name):
            torch.manual_seed(seed)
            model = NOVATransformer3DModel(config)
            model.initialize()
    except NOVAError as error:
        raise UserError(str(error), "keys of transformer/config.json") from error
    return model
