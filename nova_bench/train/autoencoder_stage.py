"""Training of the autoencoder: frames in, the same frames out, through a small Gaussian latent."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from nova_bench.errors import UserError
from nova_bench.nova.errors import NOVAError
from nova_bench.nova.vae import AutoencoderKLOpenSora
from nova_bench.nova.vae.layers import Attention, ResBlock
from nova_bench.nova.vae.opensora import FRAMES_PER_TILE
from nova_bench.train.autoencoder import decode, moments
from nova_bench.train.data import open_world, to_pixels
from nova_bench.train.loop import Randomness
from nova_bench.train.spec import TrainSpec

INITIAL_LOG_VARIANCE = -6.0


class AutoencoderStage:
    """Absolute and squared error of pixels, absolute error of their differences, KL divergence of the posterior.

    The squared error is what makes small shapes appear at all early on: the absolute error alone is content with the
    median of what may be at a place, which is the background.

    The differences (between neighbours in a row, in a column and in time) are what keeps edges of small shapes sharp,
    in place of a perceptual loss, whose network would be larger than everything trained here. There is no adversarial
    loss.
    """

    name = "autoencoder"

    def __init__(self, spec: TrainSpec, vae: AutoencoderKLOpenSora, device: str):
        self.module: nn.Module = vae
        self.blocks: dict[str, nn.Module] = {}
        self._spec, self._vae, self._device = spec, vae, device
        self._world = open_world(spec.data)
        for length in spec.autoencoder.clip_lengths:
            if not 1 <= length <= min(spec.data.num_frames, FRAMES_PER_TILE) or (length - 1) % vae.temporal_stride:
                raise UserError(
                    f"autoencoder.clip_lengths: {length} frames don't fit",
                    f"1 + {vae.temporal_stride} * j, at most {min(spec.data.num_frames, FRAMES_PER_TILE)}",
                )

    def losses(self, step: int, random: Randomness) -> dict[str, Tensor]:
        """``loss``, ``l1``, ``edge``, ``kl`` and ``psnr`` (of this batch, in dB) of one batch."""
        section = self._spec.autoencoder
        frames = self._batch(section.clip_lengths[step % len(section.clip_lengths)], random)
        mean, log_variance = moments(self._vae, frames)
        noise = torch.randn(mean.shape, generator=random.torch, device=mean.device)
        out = decode(self._vae, mean + noise * (0.5 * log_variance).exp()).float()
        error = out - frames
        l1, l2 = error.abs().mean(), error.square().mean()
        edge = sum(error.diff(dim=dim).abs().mean() for dim in (2, 3, 4) if error.shape[dim] > 1)
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
        psnr = -10 * torch.log10(l2.detach() / 4)
        loss = l1 + section.square_weight * l2 + section.edge_weight * edge + section.kl_weight * kl
        return {"loss": loss, "l1": l1, "edge": edge, "kl": kl, "psnr": psnr}

    def _batch(self, length: int, random: Randomness) -> Tensor:
        """Random stretches of random clips, [B, 3, length, H, W]."""
        clips = []
        for _ in range(max(1, self._spec.autoencoder.batch_frames // length)):
            clip = self._world[int(random.numpy.randint(len(self._world)))]
            start = int(random.numpy.randint(self._spec.data.num_frames - length + 1))
            clips.append(to_pixels(clip.frames[start : start + length]))
        return torch.stack(clips).to(self._device)


def make_autoencoder(config: dict[str, Any], seed: int) -> AutoencoderKLOpenSora:
    """An untrained autoencoder. Raises UserError for settings that describe none."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            vae = AutoencoderKLOpenSora(config)
        except NOVAError as error:
            raise UserError(f"autoencoder.config: {error}", "keys of vae/config.json") from error
        _initialize(vae)
    last = vae.quant_conv if vae.quant_conv is not None else vae.encoder.conv_out
    # With the usual variance of one, noise drowns the small means of an untrained encoder for hundreds of steps.
    nn.init.constant_(last.bias[vae.latent_channels :], INITIAL_LOG_VARIANCE)
    return vae


@torch.no_grad()
def _initialize(vae: AutoencoderKLOpenSora) -> None:
    """Residual branches begin at zero and every other convolution keeps the variance of what it is given.

    So at first a picture passes straight through, instead of drowning in the output of random branches.
    """
    for module in vae.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            nn.init.normal_(module.weight, std=module.weight[0].numel() ** -0.5)
            nn.init.zeros_(module.bias)
    for module in vae.modules():
        if isinstance(module, ResBlock):
            nn.init.zeros_(module.conv2.weight)
        elif isinstance(module, Attention):
            nn.init.zeros_(module.to_out[0].weight)
