"""Why a model's numbers are not finite, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nova_bench.core.errors import NothingMade

if TYPE_CHECKING:
    from torch import nn

    from nova_bench.nova import NOVAPipeline

HALF = ("float16", "bfloat16")


def networks(pipeline: NOVAPipeline) -> dict[str, nn.Module]:
    """The networks of a pipeline by name."""
    named = {name: getattr(pipeline, name) for name in ("text_encoder", "transformer", "vae")}
    return {name: network for name, network in named.items() if network is not None}


def not_finite(what: str, parts: Mapping[str, nn.Module], option: str) -> NothingMade:
    """The error for NaN or infinity in ``what`` of a sample: the likely cause and the remedy.

    ``option`` sets the precision when a value is appended: ``--set model.dtype=``. Reads all weights.
    """
    weights = [
        (f"{part}/{name}", value) for part, network in parts.items() for name, value in network.state_dict().items()
    ]
    broken = next((name for name, value in weights if not value.isfinite().all()), None)
    types = {str(value.dtype).removeprefix("torch.") for _, value in weights}
    half = next((name for name in HALF if name in types), None)
    text = f"the model's {what} are not finite (NaN or infinity)"
    if broken:
        text += f", and neither are its weights {broken}"
    if half:
        others = " or ".join(option + name for name in ("bfloat16", "float32") if name != half)
        return NothingMade(f"{text}: half precision ({half}) is the likely cause", f"try {others}")
    if broken:
        return NothingMade(text, "get the checkpoint again, or use an earlier one of its training")
    return NothingMade(text, "check guidance_scale, motion_flow and the checkpoint; half precision is not the cause")
