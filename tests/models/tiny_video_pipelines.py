"""Text-to-video pipelines of diffusers with random weights, as small as their layers allow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.models.tiny_pipelines import save_pipeline, t5, t5_tokenizer


def cogvideox() -> Any:
    from diffusers import (
        AutoencoderKLCogVideoX,
        CogVideoXDDIMScheduler,
        CogVideoXPipeline,
        CogVideoXTransformer3DModel,
    )

    return CogVideoXPipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=t5(16),
        vae=AutoencoderKLCogVideoX(
            block_out_channels=(8,) * 4,
            down_block_types=("CogVideoXDownBlock3D",) * 4,
            up_block_types=("CogVideoXUpBlock3D",) * 4,
            latent_channels=4,
            layers_per_block=1,
            norm_num_groups=2,
        ),
        transformer=CogVideoXTransformer3DModel(
            num_attention_heads=2,
            attention_head_dim=16,
            in_channels=4,
            out_channels=4,
            time_embed_dim=4,
            text_embed_dim=16,
            num_layers=1,
            sample_width=8,
            sample_height=8,
            sample_frames=9,
        ),
        scheduler=CogVideoXDDIMScheduler(),
    )


def wan() -> Any:
    from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler, WanPipeline, WanTransformer3DModel

    return WanPipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=t5(16),
        vae=AutoencoderKLWan(
            base_dim=4, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
        ),
        transformer=WanTransformer3DModel(
            patch_size=(1, 2, 2),
            num_attention_heads=2,
            attention_head_dim=12,
            in_channels=16,
            out_channels=16,
            text_dim=16,
            freq_dim=16,
            ffn_dim=16,
            num_layers=1,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=7.0),
        boundary_ratio=None,
    )


VIDEO_PIPELINES = {"CogVideoXPipeline": cogvideox, "WanPipeline": wan}
"""Class -> its miniature."""


def save_video_pipeline(name: str, folder: Path) -> Path:
    """The miniature of a class as a checkpoint's folder; its weights are the same at every call."""
    return save_pipeline(VIDEO_PIPELINES[name], folder)
