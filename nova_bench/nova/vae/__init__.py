"""Autoencoders between pixels and latents: the 3D one of the video models and the 2D one of the image models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from nova_bench.nova.building import building
from nova_bench.nova.checkpoint import CONFIG_NAME, read_json, read_weights
from nova_bench.nova.errors import CheckpointError
from nova_bench.nova.vae.autoencoder import Autoencoder
from nova_bench.nova.vae.image import AutoencoderKL
from nova_bench.nova.vae.opensora import AutoencoderKLOpenSora

__all__ = ["Autoencoder", "AutoencoderKL", "AutoencoderKLOpenSora", "load_vae", "vae_from_config"]

_CLASSES = {cls.__name__: cls for cls in (AutoencoderKL, AutoencoderKLOpenSora)}


def _autoencoder_class(config: Mapping, source: str | Path) -> type[Autoencoder]:
    name = config.get("_class_name")
    if name not in _CLASSES:
        raise CheckpointError(f"{source}: _class_name is {name!r}, expected one of {', '.join(sorted(_CLASSES))}")
    return _CLASSES[name]


def vae_from_config(config: Mapping) -> Autoencoder:
    """Build the autoencoder that ``config["_class_name"]`` names, with random weights (also under a meta device)."""
    return _autoencoder_class(config, "autoencoder config").from_config(config)


def load_vae(
    folder: str | Path, torch_dtype: torch.dtype | None = None, device: str | torch.device | None = None
) -> Autoencoder:
    """Load an autoencoder from a Diffusers folder (``config.json`` and safetensors weights, also sharded).

    Args:
        folder: the ``vae`` folder of a checkpoint.
        torch_dtype: type of the weights; ``None`` keeps the stored one.
        device: where the weights go; ``None`` keeps them on the CPU.

    Returns:
        the autoencoder in evaluation mode, without gradients.

    Raises:
        CheckpointError: a file is missing or damaged, a key is missing or unexpected, or a shape is wrong.
        ArrangementError: the config describes an architecture that this library doesn't define.
    """
    folder = Path(folder)
    config = read_json(folder / CONFIG_NAME)
    with building(folder / CONFIG_NAME), torch.device("meta"):
        vae = _autoencoder_class(config, folder / CONFIG_NAME).from_config(config)
        vae.scale(vae.unscale(torch.zeros(1, vae.latent_channels, 1, 1)))  # reports factors of the wrong type now
    weights = read_weights(folder, expected=vae.state_dict(), rename=vae.legacy_keys)
    vae.load_state_dict(weights, assign=True)
    return vae.to(device=device, dtype=torch_dtype).requires_grad_(False).eval()
