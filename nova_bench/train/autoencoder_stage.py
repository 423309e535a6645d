"""Training of the autoencoder: frames in, the same frames out, through a small Gaussian latent."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nova_bench.core.errors import UserError
from nova_bench.nova.building import building
from nova_bench.nova.errors import NOVAError
from nova_bench.nova.vae import AutoencoderKLOpenSora
from nova_bench.nova.vae.layers import Attention, ResBlock
from nova_bench.nova.vae.opensora import FRAMES_PER_TILE
from nova_bench.train.autoencoder import decode, moments
from nova_bench.train.data import open_world, to_pixels
from nova_bench.train.loop import Randomness
from nova_bench.train.spec import TrainSpec

INITIAL_LOG_VARIANCE = -6.0
DISTINCT = 40
"""Levels of 255 by which the pixel that a crop must contain differs from the median colour."""


class AutoencoderStage:
    """Absolute and squared error of pixels, absolute error of their differences, KL divergence of the posterior.

    The squared error makes small shapes appear early in training: the absolute error alone is minimized by the median
    at each place, which is the background.

    The differences (between neighbours in a row, in a column and in time) keep edges of small shapes sharp. They
    replace a perceptual loss, which would need a network larger than everything trained here. There is no adversarial
    loss.
    """

    name = "autoencoder"
    outer: tuple[str, ...] = ("conv_in", "decoder.conv_out")

    def __init__(self, spec: TrainSpec, vae: AutoencoderKLOpenSora, device: str):
        self.module: nn.Module = vae
        self.blocks: dict[str, nn.Module] = {}
        self._spec, self._vae, self._device = spec, vae, device
        self._world = open_world(spec.data)
        crop = spec.autoencoder.crop
        if crop is not None and (crop > spec.data.size or crop % vae.spatial_stride):
            raise UserError(
                f"autoencoder.crop: {crop} pixels don't fit",
                f"a multiple of {vae.spatial_stride} up to {spec.data.size}",
            )
        for length in spec.autoencoder.clip_lengths:
            if not 1 <= length <= min(spec.data.num_frames, FRAMES_PER_TILE) or (length - 1) % vae.temporal_stride:
                raise UserError(
                    f"autoencoder.clip_lengths: {length} frames don't fit",
                    f"1 + {vae.temporal_stride} * j, at most {min(spec.data.num_frames, FRAMES_PER_TILE)}",
                )

    def losses(self, step: int, random: Randomness) -> dict[str, Tensor]:
        """``loss``, ``l1``, ``edge``, ``kl`` and ``psnr`` (of this batch, in dB) of one batch."""
        frames = self._batch(step, random)
        mean, log_variance = moments(self._vae, frames)
        noise = torch.randn(mean.shape, generator=random.torch, device=mean.device)
        losses = self._reconstruction(mean + noise * (0.5 * log_variance).exp(), frames)
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
        return {**losses, "loss": losses["loss"] + self._spec.autoencoder.kl_weight * kl, "kl": kl}

    def _reconstruction(self, latents: Tensor, frames: Tensor) -> dict[str, Tensor]:
        section = self._spec.autoencoder
        error = decode(self._vae, latents).float() - frames
        l1, l2 = error.abs().mean(), error.square().mean()
        edges = [error.diff(dim=dim).abs().mean() for dim in (2, 3, 4) if error.shape[dim] > 1]
        edge = sum(edges, start=error.new_zeros(()))
        psnr = -10 * torch.log10(l2.detach() / 4)
        return {
            "loss": l1 + section.square_weight * l2 + section.edge_weight * edge,
            "l1": l1,
            "edge": edge,
            "psnr": psnr,
        }

    def _batch(self, step: int, random: Randomness) -> Tensor:
        """Random segments of random clips, [B, 3, F, H, W], or crops of them."""
        section, size = self._spec.autoencoder, self._spec.data.size
        length = section.clip_lengths[step % len(section.clip_lengths)]
        side = size
        if section.crop is not None and random.numpy.rand() < section.crop_share:
            side = section.crop
        clips = []
        for _ in range(max(1, section.batch_frames * size**2 // (length * side**2))):
            clip = self._world[int(random.numpy.randint(len(self._world)))]
            start = int(random.numpy.randint(self._spec.data.num_frames - length + 1))
            clips.append(to_pixels(_crop(clip.frames[start : start + length], side, random.numpy)))
        return torch.stack(clips).to(self._device)


class DecoderStage(AutoencoderStage):
    """The same pixel errors, with a fixed encoder and noise on the latents."""

    name = "decoder"
    outer: tuple[str, ...] = ("conv_in", "conv_out")

    def __init__(self, spec: TrainSpec, vae: AutoencoderKLOpenSora, device: str):
        super().__init__(spec, vae, device)
        parts = {"decoder": vae.decoder, "post_quant_conv": vae.post_quant_conv}
        self.module = nn.ModuleDict({name: part for name, part in parts.items() if part is not None})

    def losses(self, step: int, random: Randomness) -> dict[str, Tensor]:
        """``loss``, ``l1``, ``edge`` and ``psnr`` (of this batch, in dB) of one batch."""
        frames = self._batch(step, random)
        with torch.no_grad():
            mean, log_variance = moments(self._vae, frames)
        noise = torch.randn((2, *mean.shape), generator=random.torch, device=mean.device)
        spread = self._spec.autoencoder.decoder_noise / self._vae.config["scaling_factor"]
        return self._reconstruction(mean + noise[0] * (0.5 * log_variance).exp() + spread * noise[1], frames)


def _crop(frames: np.ndarray, side: int, random: np.random.RandomState) -> np.ndarray:
    """Cut a square from [F, H, W, 3] that holds a random one of the pixels that differ from the median colour."""
    size = frames.shape[1]
    if side == size:
        return frames
    median = np.median(frames[:, ::4, ::4].reshape(-1, 3), 0)
    places = np.argwhere(np.abs(frames - median).max(-1) > DISTINCT)
    y, x = places[random.randint(len(places))][1:] if len(places) else random.randint(size, size=2)
    top, left = (int(np.clip(at - random.randint(side), 0, size - side)) for at in (y, x))
    return frames[:, top : top + side, left : left + side]


def make_autoencoder(config: dict[str, Any], seed: int) -> AutoencoderKLOpenSora:
    """Build an untrained autoencoder. Raises UserError if the settings describe none."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            with building("the settings"):
                vae = AutoencoderKLOpenSora.from_config(config)
        except NOVAError as error:
            raise UserError(f"autoencoder.config: {error}", "keys of vae/config.json") from error
        _initialize(vae)
    last = vae.quant_conv if vae.quant_conv is not None else vae.encoder.conv_out
    # With the usual variance of one, noise drowns the small means of an untrained encoder for hundreds of steps.
    nn.init.constant_(last.bias[vae.latent_channels :], INITIAL_LOG_VARIANCE)
    return vae


@torch.no_grad()
def _initialize(vae: AutoencoderKLOpenSora) -> None:
    """Set residual branches to zero; every other convolution keeps the variance of its input.

    At first an image therefore passes straight through instead of drowning in the output of random branches.
    """
    for module in vae.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            nn.init.normal_(module.weight, std=module.weight[0].numel() ** -0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in vae.modules():
        if isinstance(module, ResBlock):
            nn.init.zeros_(module.conv2.weight)
        elif isinstance(module, Attention):
            nn.init.zeros_(module.get_parameter("to_out.0.weight"))
