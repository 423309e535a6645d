"""Small networks with random weights that the tests of this folder share."""

from __future__ import annotations

from functools import cache

import torch

from nova_bench.nova import NOVAConfig, NOVAPipeline
from nova_bench.nova.loading import random_transformer
from nova_bench.nova.transformer import NOVATransformer3DModel

CONFIG = NOVAConfig(
    image_size=(32, 64),
    image_stride=8,
    text_token_dim=24,
    text_token_len=6,
    image_base_size=(2, 4),
    video_base_size=(3, 1, 2),
    arch=("vit_d2w32h1", "vit_d3w32h1", "mlp_d2w16"),
    video_mixer_rank=4,
)
IMAGE_CONFIG = CONFIG.with_arrangement(video_base_size=(1, 1, 2), video_mixer_rank=None)
VIDEO_VAE = {
    "_class_name": "AutoencoderKLOpenSora",
    "block_out_channels": [8, 8, 8, 8],
    "down_block_types": ["DownEncoderBlock2D"] * 2 + ["DownEncoderBlock3D"] * 2,
    "up_block_types": ["UpDecoderBlock3D"] * 4,
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "scaling_factor": 0.2,
}
FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler"}
QUICK = {"num_inference_steps": 4, "num_diffusion_steps": 3, "disable_progress_bar": True}


def spread(module: torch.nn.Module, seed: int = 0, scale: float = 0.15) -> torch.nn.Module:
    """Weights large enough for every part to matter (the usual 0.02 makes small networks nearly linear)."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter.data += scale * torch.randn(parameter.shape, generator=generator)
    return module


def transformer(config: NOVAConfig = CONFIG, seed: int = 0) -> NOVATransformer3DModel:
    torch.manual_seed(seed)
    return spread(random_transformer(config), seed).requires_grad_(False).eval()


@cache
def pipeline(config: NOVAConfig = CONFIG, scheduler: str = "ddpm") -> NOVAPipeline:
    torch.manual_seed(0)
    parts = {"vae": VIDEO_VAE, **({"scheduler": FLOW} if scheduler == "flow" else {})}
    pipe = NOVAPipeline.from_config(config, **parts)
    spread(pipe.transformer)
    spread(pipe.text_encoder)
    return pipe


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]
