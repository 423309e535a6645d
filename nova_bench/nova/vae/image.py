"""The image autoencoder of Stable Diffusion, with the networks of diffusers behind this library's interface."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from nova_bench.nova.errors import ArrangementError
from nova_bench.nova.vae.autoencoder import Autoencoder

# Attention layers had other names in checkpoints written before diffusers 0.18.
_LEGACY_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


class AutoencoderKL(Autoencoder):
    """2D autoencoder (Rombach et al. 2022); its submodules, hence its state dict, are those of ``diffusers``."""

    def __init__(self, config: Mapping[str, Any]):
        from diffusers import AutoencoderKL as Networks  # takes a second to import; video models never need it

        settings = {key: value for key, value in config.items() if not key.startswith("_")}
        try:
            networks = Networks.from_config(settings)
        except (TypeError, ValueError) as error:
            raise ArrangementError(f"AutoencoderKL config isn't usable: {error}") from error
        merged = {**networks.config, **settings, "_class_name": "AutoencoderKL"}
        super().__init__(
            {key: value for key, value in merged.items() if key == "_class_name" or not key.startswith("_")},
            latent_channels=networks.config.latent_channels,
            spatial_stride=2 ** (len(networks.config.block_out_channels) - 1),
            temporal_stride=1,
        )
        self.encoder, self.decoder = networks.encoder, networks.decoder
        self.quant_conv, self.post_quant_conv = networks.quant_conv, networks.post_quant_conv

    @staticmethod
    def legacy_keys(key: str) -> str:
        parts = key.split(".")
        if "attentions" in parts and len(parts) > 1 and parts[-2] in _LEGACY_ATTENTION:
            parts[-2] = _LEGACY_ATTENTION[parts[-2]]
        return ".".join(parts)

    def num_frames(self, latent_length: int) -> int:
        _check_single_frame(latent_length)
        return 1

    def _encode(self, x: torch.Tensor) -> torch.Tensor:
        moments = self.encoder(_as_image(x))
        return self.quant_conv(moments) if self.quant_conv is not None else moments

    def _decode(self, z: torch.Tensor) -> torch.Tensor:
        z = _as_image(z)
        return self.decoder(self.post_quant_conv(z) if self.post_quant_conv is not None else z)


def _check_single_frame(length: int) -> None:
    if length != 1:
        raise ArrangementError(f"an image autoencoder takes one frame, got {length}")


def _as_image(x: torch.Tensor) -> torch.Tensor:
    """[B, C, 1, H, W] or [B, C, H, W] -> [B, C, H, W]."""
    if x.ndim == 5:
        _check_single_frame(x.shape[2])
        return x.squeeze(2)
    return x
