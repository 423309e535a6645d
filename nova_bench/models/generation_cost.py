"""About how many operations NOVA needs for a video, from the numbers in its configuration. Needs no torch."""

from __future__ import annotations

import json
import re
from math import prod
from typing import Any

from nova_bench.config.suite import SamplingSpec
from nova_bench.core.errors import UserError
from nova_bench.models.checkpoints import locate_checkpoint
from nova_bench.models.nova import NovaSpec

_STEPS, _DIFFUSION_STEPS, _STRIDE = 64, 25, 4  # the official pipeline's defaults; frames of a latent frame
_ARCHITECTURE = re.compile(r"(?:vit|mlp)_d(\d+)w(\d+)")
_SEEN = 0.75  # the first half of the spatial layers sees the tokens that are known, half of them on average


def generation_gflop(model: NovaSpec, sampling: SamplingSpec) -> float | None:
    """Billions of operations for one video; a multiplication and its addition are two.

    An estimate: linear layers only, neither text encoder nor autoencoder. None for a checkpoint that isn't here.
    """
    try:
        config = json.loads((locate_checkpoint(model) / "transformer" / "config.json").read_text(encoding="utf-8"))
        return _gflop(config, sampling)
    except (UserError, OSError, ValueError, KeyError, TypeError):
        return None  # loading it says what is wrong


def _gflop(config: dict[str, Any], sampling: SamplingSpec) -> float:
    (temporal, width), (spatial, _), (head, head_width) = map(_size, config["arch"])
    size = sampling.height, sampling.width
    scale = size[0] * size[1] / prod(config["image_size"]) if size[0] and size[1] else 1.0
    tokens = prod(config["image_base_size"]) * scale
    seen = prod(config["video_base_size"][1:]) * scale
    latents = 1 + ((sampling.num_frames or 1) - 1) // _STRIDE
    steps = min(sampling.num_inference_steps or _STEPS, tokens)
    copies = 1 if (sampling.guidance_scale or 7) <= 1 else 2
    block = 24 * width**2
    each = steps * spatial * block * (tokens + seen) * _SEEN + temporal * block * seen
    diffusion = (sampling.num_diffusion_steps or _DIFFUSION_STEPS) * tokens * (10 * head + 4) * head_width**2
    return latents * copies * (each + diffusion) / 1e9


def _size(name: str) -> tuple[int, int]:
    """Depth and width of ``vit_d16w1024h16``."""
    found = _ARCHITECTURE.match(name)
    if found is None:
        raise ValueError(name)
    return int(found[1]), int(found[2])
