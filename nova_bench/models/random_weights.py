"""NOVA models with random weights: published architectures, a slice of one and a miniature, for timing and for tests.

How long a network takes does not depend on its weights' values; its output is noise. Such a model can therefore be
timed on a machine without a checkpoint, and every suite that shows a quality score refuses it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nova_bench.core.errors import UserError
from nova_bench.core.registry import nearest
from nova_bench.models.published import CHECKPOINTS

if TYPE_CHECKING:
    import torch

    from nova_bench.nova import NOVAPipeline

SUFFIX = "@random"
"""Suffix of a name on the command line: this architecture, with random weights."""

MINIATURE = "miniature"
SLICE = "nova-0.6b-slice"
"""A sixteenth of nova-0.6b-t2v's layers at their full width, between a miniature's text encoder and autoencoder: how
time grows with the length of a video can be measured with it on a CPU."""
SEED = 0
RANDOM_NAMES = (*(name for name, checkpoint in CHECKPOINTS.items() if checkpoint.repo_id), SLICE, MINIATURE)
PARAMETERS = {
    "nova-0.6b-t2v": {"transformer": 644_194_320, "text encoder": 2_648_560_640, "autoencoder": 239_189_991},
    "nova-0.6b-t2i-512": {"transformer": 641_493_008, "text encoder": 2_648_560_640, "autoencoder": 83_653_863},
    "nova-0.3b-t2i": {"transformer": 363_946_000, "text encoder": 2_648_560_640, "autoencoder": 83_653_863},
    "nova-0.6b-t2i": {"transformer": 645_693_456, "text encoder": 2_648_560_640, "autoencoder": 83_653_863},
    "nova-1.4b-t2i": {"transformer": 1_449_836_560, "text encoder": 2_648_560_640, "autoencoder": 83_653_863},
    SLICE: {"transformer": 74_808_336, "text encoder": 120_320, "autoencoder": 245_991},
    MINIATURE: {"transformer": 454_672, "text encoder": 120_320, "autoencoder": 245_991},
}
"""Parameters of each part, so that a plan can state them without torch; a test recounts them."""
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
REFUSAL = "its weights are random: it can be timed, but its output is noise and gets no score"

# All five components of a video model, each as small as its layers allow; runs in a tenth of a second on a CPU.
_TRANSFORMER = {
    "image_size": [64, 96],
    "image_stride": 8,
    "text_token_dim": 64,
    "text_token_len": 64,
    "image_base_size": [4, 6],
    "video_base_size": [5, 2, 3],
    "arch": ["vit_d2w64h2", "vit_d4w64h2", "mlp_d2w64"],
    "video_mixer_rank": 8,
}
# What differs from nova-0.6b-t2v.
_SLICE: dict[str, Any] = {
    "text_token_dim": 64,
    "text_token_len": 64,
    "arch": ("vit_d1w1024", "vit_d2w1024", "mlp_d3w1280"),
}
_AUTOENCODER = {
    "_class_name": "AutoencoderKLOpenSora",
    "block_out_channels": [16, 16, 16, 16],
    "down_block_types": ["DownEncoderBlock2D"] * 2 + ["DownEncoderBlock3D"] * 2,
    "up_block_types": ["UpDecoderBlock3D"] * 4,
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "act_fn": "silu",
    "scaling_factor": 0.18215,
}


def check_random_name(name: str) -> None:
    """Raise UserError, with the nearest name, if there is no architecture of that name."""
    if name not in RANDOM_NAMES:
        raise UserError(
            f"{name}: no architecture of that name{nearest(name, RANDOM_NAMES)}",
            f"random weights: one of {', '.join(RANDOM_NAMES)}",
        )


def weight_bytes(name: str, dtype: str) -> int:
    """Memory that the weights of that architecture take in a precision (``float32``, ``bfloat16``, ``float16``)."""
    return BYTES[dtype] * sum(PARAMETERS[name].values())


def random_pipeline(name: str, dtype: torch.dtype, device: str) -> NOVAPipeline:
    """The whole pipeline of that architecture, text encoder and autoencoder included; nothing is fetched.

    Weights are the same at every call on one device with one version of torch. Prompts are tokenized byte by byte.
    """
    import torch

    from nova_bench.nova import NOVAPipeline
    from nova_bench.nova.published import published

    check_random_name(name)
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        if name == MINIATURE:
            return NOVAPipeline.from_config(_TRANSFORMER, dtype, device, vae=_AUTOENCODER)
        if name == SLICE:
            whole = published(CHECKPOINTS["nova-0.6b-t2v"].repo_id or "").transformer
            return NOVAPipeline.from_config(replace(whole, **_SLICE), dtype, device, vae=_AUTOENCODER)
        return NOVAPipeline.from_config(CHECKPOINTS[name].repo_id, dtype, device)
