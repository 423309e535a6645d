"""Pipelines of diffusers with random weights, each of its own class and as small as its layers allow.

They show that a class can be driven, never how good it is.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

LETTERS = string.ascii_lowercase
SIDE = 64
VAE_CHANNELS = 8


def _vae(latents: int = 4, **options: Any) -> Any:
    from diffusers import AutoencoderKL

    levels = 4
    return AutoencoderKL(
        block_out_channels=(VAE_CHANNELS,) * levels,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        latent_channels=latents,
        norm_num_groups=4,
        sample_size=SIDE,
        **options,
    )


def _clip_tokenizer(length: int = 77) -> Any:
    from transformers import CLIPTokenizer

    tokens = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    vocab = {token: index for index, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocab, merges=[], model_max_length=length)


def _clip(kind: str, width: int = 16, **options: Any) -> Any:
    import transformers

    config = transformers.CLIPTextConfig(
        vocab_size=2 * len(LETTERS) + 2,
        hidden_size=width,
        intermediate_size=width,
        num_hidden_layers=2,
        num_attention_heads=2,
        bos_token_id=2 * len(LETTERS),
        eos_token_id=2 * len(LETTERS) + 1,
        pad_token_id=2 * len(LETTERS) + 1,
        projection_dim=width,
        **options,
    )
    return getattr(transformers, kind)(config).eval()


def t5_tokenizer() -> Any:
    from transformers import T5Tokenizer

    pieces = ["<pad>", "</s>", "<unk>", "▁", *LETTERS]
    return T5Tokenizer(vocab=[(piece, 0.0 if index < 3 else -3.0) for index, piece in enumerate(pieces)], extra_ids=0)


def t5(width: int = 16) -> Any:
    from transformers import T5Config, T5EncoderModel

    config = T5Config(
        vocab_size=4 + len(LETTERS),
        d_model=width,
        d_kv=8,
        d_ff=16,
        num_layers=2,
        num_heads=2,
        feed_forward_proj="gated-gelu",
    )
    return T5EncoderModel(config).eval()


def _unet(**options: Any) -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        block_out_channels=(8, 16),
        layers_per_block=1,
        sample_size=SIDE // 8,
        in_channels=4,
        out_channels=4,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        **options,
    )


def stable_diffusion() -> Any:
    from diffusers import PNDMScheduler, StableDiffusionPipeline

    return StableDiffusionPipeline(
        vae=_vae(),
        text_encoder=_clip("CLIPTextModel"),
        tokenizer=_clip_tokenizer(),
        unet=_unet(cross_attention_dim=16, attention_head_dim=2),
        scheduler=PNDMScheduler(skip_prk_steps=True, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _xl(scheduler: Any, **vae: Any) -> Any:
    from diffusers import StableDiffusionXLPipeline

    return StableDiffusionXLPipeline(
        vae=_vae(**vae),
        text_encoder=_clip("CLIPTextModel"),
        text_encoder_2=_clip("CLIPTextModelWithProjection"),
        tokenizer=_clip_tokenizer(),
        tokenizer_2=_clip_tokenizer(),
        unet=_unet(
            cross_attention_dim=32,
            attention_head_dim=(2, 4),
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=4,
            projection_class_embeddings_input_dim=16 + 6 * 4,
            transformer_layers_per_block=(1, 1),
        ),
        scheduler=scheduler,
    )


def stable_diffusion_xl() -> Any:
    from diffusers import EulerDiscreteScheduler

    return _xl(EulerDiscreteScheduler(beta_schedule="scaled_linear", timestep_spacing="leading", steps_offset=1))


def playground() -> Any:
    from diffusers import EDMDPMSolverMultistepScheduler

    scheduler = EDMDPMSolverMultistepScheduler(sigma_max=80.0, sigma_min=0.002, sigma_data=0.5)
    return _xl(scheduler, latents_mean=[0.1] * 4, latents_std=[0.9] * 4)


def _pixart(kind: Any, sample_size: int) -> Any:
    from diffusers import DPMSolverMultistepScheduler, PixArtTransformer2DModel

    transformer = PixArtTransformer2DModel(
        sample_size=sample_size,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        caption_channels=16,
        cross_attention_dim=16,
        in_channels=4,
        out_channels=8,
    )
    return kind(
        tokenizer=t5_tokenizer(),
        text_encoder=t5(),
        vae=_vae(),
        transformer=transformer,
        scheduler=DPMSolverMultistepScheduler(),
    )


def pixart_alpha() -> Any:
    from diffusers import PixArtAlphaPipeline

    return _pixart(PixArtAlphaPipeline, SIDE // 8)


def pixart_sigma() -> Any:
    from diffusers import PixArtSigmaPipeline

    return _pixart(PixArtSigmaPipeline, SIDE // 8)


def lumina() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, LuminaNextDiT2DModel, LuminaPipeline
    from transformers import GemmaConfig, GemmaModel, GemmaTokenizer

    vocab = {token: index for index, token in enumerate(["<pad>", "<eos>", "<bos>", "<unk>", "▁", *LETTERS])}
    tokenizer = GemmaTokenizer(vocab=vocab, merges=[], padding_side="right", add_bos_token=True)
    config = GemmaConfig(
        vocab_size=len(vocab),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
    )
    transformer = LuminaNextDiT2DModel(
        sample_size=4,
        patch_size=2,
        in_channels=4,
        hidden_size=16,
        num_layers=2,
        num_attention_heads=1,
        num_kv_heads=1,
        multiple_of=16,
        ffn_dim_multiplier=None,
        norm_eps=1e-5,
        learn_sigma=True,
        qk_norm=True,
        cross_attention_dim=16,
        scaling_factor=1.0,
    )
    return LuminaPipeline(
        transformer=transformer.eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=_vae(),
        text_encoder=GemmaModel(config).eval(),
        tokenizer=tokenizer,
    )


def hunyuan() -> Any:
    from diffusers import DDPMScheduler, HunyuanDiT2DModel, HunyuanDiTPipeline
    from transformers import BertConfig, BertModel, BertTokenizer

    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    config = BertConfig(
        vocab_size=len(vocab), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16
    )
    transformer = HunyuanDiT2DModel(
        sample_size=SIDE // 8,
        num_layers=2,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=2,
        mlp_ratio=1.0,
        in_channels=4,
        cross_attention_dim=16,
        cross_attention_dim_t5=16,
        pooled_projection_dim=4,
        hidden_size=16,
    )
    return HunyuanDiTPipeline(
        vae=_vae(),
        text_encoder=BertModel(config).eval(),
        tokenizer=BertTokenizer(vocab={token: index for index, token in enumerate(vocab)}, model_max_length=77),
        text_encoder_2=t5(),
        tokenizer_2=t5_tokenizer(),
        transformer=transformer.eval(),
        scheduler=DDPMScheduler(prediction_type="v_prediction", steps_offset=1, clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def stable_diffusion_3() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline

    transformer = SD3Transformer2DModel(
        sample_size=SIDE // 8,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=32,
        caption_projection_dim=16,
        pooled_projection_dim=32,
        pos_embed_max_size=SIDE // 8,
    )
    return StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=_vae(16, use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.0609),
        text_encoder=_clip("CLIPTextModelWithProjection"),
        tokenizer=_clip_tokenizer(),
        text_encoder_2=_clip("CLIPTextModelWithProjection"),
        tokenizer_2=_clip_tokenizer(),
        text_encoder_3=t5(32),
        tokenizer_3=t5_tokenizer(),
    )


PIPELINES = {
    "sd15": stable_diffusion,
    "pixart_alpha": pixart_alpha,
    "pixart_sigma": pixart_sigma,
    "lumina_next": lumina,
    "sdxl": stable_diffusion_xl,
    "playground_v2_5": playground,
    "hunyuan_dit": hunyuan,
    "sd3_medium": stable_diffusion_3,
}
"""Name of a model's file in suites/models -> a miniature of its class."""


def save(name: str, folder: Path) -> Path:
    """The miniature of a model as a checkpoint's folder; its weights are the same at every call."""
    return save_pipeline(PIPELINES[name], folder)


def save_pipeline(make: Callable[[], Any], folder: Path) -> Path:
    """A pipeline as a checkpoint's folder; its weights are the same at every call."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        make().save_pretrained(folder)
    return folder
