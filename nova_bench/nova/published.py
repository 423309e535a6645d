"""Configurations of the published models, so that any can be built without a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nova_bench.nova.config import NOVAConfig
from nova_bench.nova.errors import ConfigError

_FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 1.0}
# The published DDPM file was not available; these are the settings of the official training code's own DDPM class.
_DDPM = {
    "_class_name": "DDPMScheduler",
    "num_train_timesteps": 1000,
    "beta_schedule": "squaredcos_cap_v2",
    "clip_sample": False,
}
_CHANNELS = {"in_channels": 3, "out_channels": 3, "latent_channels": 4, "block_out_channels": [128, 256, 512, 512]}
_VIDEO_VAE = {
    "_class_name": "AutoencoderKLOpenSora",
    **_CHANNELS,
    "down_block_types": ["DownEncoderBlock2D"] * 2 + ["DownEncoderBlock3D"] * 2,
    "up_block_types": ["UpDecoderBlock3D"] * 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "act_fn": "silu",
    "scaling_factor": 0.18215,
}
_SDXL_VAE = {
    "_class_name": "AutoencoderKL",
    **_CHANNELS,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "act_fn": "silu",
    "scaling_factor": 0.13025,
}


@dataclass(frozen=True)
class PublishedModel:
    """One model of the official model zoo: transformer, scheduler and autoencoder configurations."""

    hub_id: str
    transformer: NOVAConfig
    scheduler: Mapping[str, Any]
    vae: Mapping[str, Any]


def _image_model(width: int, decoder: str, pixels: int, scheduler: Mapping, vae: Mapping, name: str) -> PublishedModel:
    side = pixels // 16
    config = NOVAConfig(
        image_size=(pixels, pixels),
        image_stride=8,
        text_token_dim=2560,
        text_token_len=256,
        video_base_size=(1, side // 2, side // 2),
        image_base_size=(side, side),
        arch=(f"vit_d16w{width}", f"vit_d32w{width}", decoder),
    )
    return PublishedModel(f"BAAI/{name}", config, scheduler, vae)


_OSP480 = NOVAConfig(
    image_size=(480, 768),
    image_stride=8,
    text_token_dim=2560,
    text_token_len=256,
    video_base_size=(16, 15, 24),
    image_base_size=(30, 48),
    arch=("vit_d16w1024", "vit_d32w1024", "mlp_d3w1280"),
    video_mixer_rank=24,
)

# nova-d48w1024-sd512: the decoder (mlp_d3w1280, as in the other DDPM model) is assumed; no public source states it.
PUBLISHED: dict[str, PublishedModel] = {
    "nova-d48w1024-osp480": PublishedModel("BAAI/nova-d48w1024-osp480", _OSP480, _DDPM, _VIDEO_VAE),
    **{
        f"nova-d48w{width}-sdxl1024": _image_model(
            width, f"mlp_d6w{width}", 1024, _FLOW, _SDXL_VAE, f"nova-d48w{width}-sdxl1024"
        )
        for width in (768, 1024, 1536)
    },
    "nova-d48w1024-sd512": _image_model(
        1024, "mlp_d3w1280", 512, _DDPM, {**_SDXL_VAE, "scaling_factor": 0.18215}, "nova-d48w1024-sd512"
    ),
}


def published(name: str) -> PublishedModel:
    """Look up a published model by name, with or without ``BAAI/``. Raises :class:`ConfigError` for any other name."""
    try:
        return PUBLISHED[name.removeprefix("BAAI/")]
    except KeyError:
        raise ConfigError(f"unknown model {name!r}; published are {', '.join(PUBLISHED)}") from None
