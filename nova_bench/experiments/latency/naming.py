"""Names of settings and parts in tables and figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PART_TITLES = {
    "text": "Text encoder",
    "temporal": "Temporal layers",
    "spatial": "Spatial layers",
    "head": "Diffusion head",
    "vae": "VAE decoder",
    "other": "Other",
    "total": "Total",
}
AXES = {
    "num_frames": "frames",
    "num_inference_steps": "autoregressive steps per frame",
    "num_diffusion_steps": "diffusion steps per token set",
    "batch_size": "batch size",
    "size": "pixels per frame (thousands)",
}
CLOCKS = {"processor": "processor time", "wall": "wall time"}
MODES = {
    "eager": "eager",
    "cuda_graphs": "CUDA graphs",
    "compiled": "compiled",
    "compiled_cuda_graphs": "compiled, CUDA graphs",
}


def setting_text(setting: Mapping[str, Any]) -> str:
    """A measured setting in one line."""
    latents, decoded = setting["latent_frames"], setting["decoded_frames"]
    frames = f"{setting['num_frames']} x {setting['size']} ({latents} latent frames)"
    if decoded != setting["num_frames"]:
        frames += f", of which the autoencoder decodes {decoded}"
    parts = [
        frames,
        f"batch {setting['batch_size']}",
        setting["dtype"],
        f"{setting['num_inference_steps']} autoregressive x {setting['num_diffusion_steps']} diffusion steps",
        f"guidance {setting['guidance_scale']:g}",
        f"{setting['prompt_tokens']} text tokens",
        MODES[setting["mode"]],
    ]
    if not setting["temporal_autoregressive"]:
        parts.append("without temporal autoregression")
    elif not setting["kv_cache"]:
        parts.append("without key-value cache")
    return ", ".join(parts)


def axis_value(field: str, value: int | str) -> float:
    """Position of a varied field's value on a figure's axis."""
    if field != "size":
        return float(value)
    width, height = map(int, str(value).split("x"))
    return width * height / 1000
