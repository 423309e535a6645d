"""Calls whose latents the original implementation has computed (``make_vectors.py``): one per branch of sampling."""

from __future__ import annotations

from typing import Any

import torch

CUBE, FISH = "a red cube on top of a blue sphere.", "Many spotted jellyfish pulsating under water."
SETTINGS = {"num_inference_steps": 6, "num_diffusion_steps": 5, "output_type": "latent", "disable_progress_bar": True}
SEED = 77

BOTH = ("t2v_abs_mixer", "t2v_rope", "t2i_abs")
MIXER = ("t2v_abs_mixer",)  # the one whose autoencoder is among the vectors
VIDEO = ("t2v_abs_mixer", "t2v_rope")
FLOW = ("t2v_rope", "t2i_abs")

# name -> (models, arguments); a string that begins with @ stands for a tensor made by `inputs`.
CASES: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "renorm": (BOTH, {"prompt": CUBE, "guidance_renorm": 0.3}),
    "renorm_batch": (BOTH, {"prompt": [CUBE, FISH], "guidance_renorm": 0.9, "guidance_scale": 3.0}),
    "truncation": (BOTH, {"prompt": CUBE, "guidance_trunc": 500}),
    "truncation_renorm": (BOTH, {"prompt": [CUBE, FISH], "guidance_trunc": 300, "guidance_renorm": 0.5}),
    "image_guidance": (BOTH, {"prompt": CUBE, "image_guidance_scale": 2.0}),
    "image_guidance_renorm_truncation": (
        BOTH,
        {"prompt": [CUBE, FISH], "image_guidance_scale": 1.5, "guidance_renorm": 0.6, "guidance_trunc": 350},
    ),
    "spatiotemporal": (BOTH, {"prompt": CUBE, "spatiotemporal_guidance_scale": 1.5}),
    "spatiotemporal_renorm": (
        BOTH,
        {"prompt": CUBE, "spatiotemporal_guidance_scale": 1.5, "guidance_renorm": 0.4, "guidance_trunc": 300},
    ),
    "negatives_and_repeats": (
        BOTH,
        {"prompt": [CUBE, FISH], "num_images_per_prompt": 2, "negative_prompt": ["ugly", "a bad thing"]},
    ),
    "no_guidance": (
        BOTH,
        {"prompt": [CUBE, FISH], "num_images_per_prompt": 3, "guidance_scale": 1.0, "motion_flow": 9.0},
    ),
    "first_frame": (MIXER, {"prompt": CUBE, "image": "@image"}),
    "first_frame_repeats_image_guidance": (
        MIXER,
        {"prompt": CUBE, "image": "@image", "num_images_per_prompt": 2, "image_guidance_scale": 1.2},
    ),
    "first_frame_only": (MIXER, {"prompt": CUBE, "image": "@image", "max_latent_length": 1}),
    "continuation": (VIDEO, {"prompt": CUBE, "latents": ["@latent0"]}),
    "continuation_of_two": (VIDEO, {"prompt": CUBE, "latents": ["@latent0", "@latent1"]}),
    "longer_than_trained": (VIDEO, {"prompt": CUBE, "max_latent_length": 6}),
    "embeds": (BOTH, {"prompt_embeds": ["@embeds0", "@embeds1"]}),
    "embeds_negatives": (
        BOTH,
        {
            "prompt_embeds": ["@embeds0", "@embeds1"],
            "negative_prompt_embeds": ["@embeds2", "@embeds3"],
            "num_images_per_prompt": 2,
        },
    ),
    "empty_prompt": (BOTH, {"prompt": "", "guidance_scale": 2.0}),
    "many_empty_steps": (BOTH, {"prompt": [CUBE, CUBE, FISH], "num_inference_steps": 40}),
    "shift": (FLOW, {"prompt": CUBE, "flow_shift": 2.5}),
    "shift_renorm": (FLOW, {"prompt": CUBE, "flow_shift": 0.5, "guidance_renorm": 0.5, "num_diffusion_steps": 9}),
}


def inputs() -> dict[str, torch.Tensor]:
    """Made-up tensors the cases refer to."""
    draw = torch.Generator().manual_seed(0)
    out = {f"latent{i}": torch.randn(1, 4, 8, 12, generator=draw) for i in range(2)}
    out.update({f"embeds{i}": torch.randn(n, 48, generator=draw) for i, n in enumerate((5, 16, 3, 7))})
    out["image"] = torch.randint(0, 256, (64, 96, 3), generator=draw, dtype=torch.uint8)
    return out


def arguments(model: str, case: str, tensors: dict[str, torch.Tensor]) -> dict[str, Any]:
    """The call of one case, without its generator (seeded with ``SEED``)."""

    def resolve(value: Any) -> Any:
        if isinstance(value, list):
            return [resolve(item) for item in value]
        return tensors[value[1:]] if isinstance(value, str) and value.startswith("@") else value

    length = 1 if model == "t2i_abs" else 3
    given = {key: resolve(value) for key, value in CASES[case][1].items()}
    return {**SETTINGS, "max_latent_length": length, **given}
