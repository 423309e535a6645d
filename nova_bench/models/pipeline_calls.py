"""The call of a diffusers pipeline: its arguments, checked against its class, and the pixels that come out."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from nova_bench.core.errors import UserError
from nova_bench.core.registry import nearest

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

    from nova_bench.config.suite import SamplingSpec

SAMPLING = ("height", "width", "num_inference_steps", "guidance_scale", "negative_prompt", "num_frames")
"""Fields of SamplingSpec that are arguments of the same name."""
OF_NOVA = ("num_diffusion_steps", "motion_flow")
"""Fields of SamplingSpec that only NOVA has."""


def call_arguments(kind: type[DiffusionPipeline], sampling: SamplingSpec, more: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a pipeline's call that are the same for all units; an absent one keeps the pipeline's default.

    UserError for a setting that the pipeline doesn't have.
    """
    names = [
        name
        for name, parameter in inspect.signature(kind.__call__).parameters.items()
        if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL) and name != "self"
    ]
    asked = {name: value for name in SAMPLING if (value := getattr(sampling, name)) is not None}
    if "num_frames" not in names and asked.get("num_frames") == 1:
        del asked["num_frames"]
    wrong = [f"sampling.{name}" for name in OF_NOVA if getattr(sampling, name) is not None]
    wrong += [f"sampling.{name}" for name in asked if name not in names]
    wrong += [f"model.arguments.{name}" for name in more if name not in names]
    if wrong:
        name = wrong[0].rpartition(".")[2]
        if name == "num_frames":
            raise UserError(
                f"{kind.__name__} makes images, but the suite asks for {sampling.num_frames} frames",
                "set sampling.num_frames: 1, or use a text-to-video pipeline",
            )
        raise UserError(
            f"{wrong[0]}: {kind.__name__} has no argument {name!r}{nearest(name, names)}",
            "remove it, or give the model's own settings in `model.sampling`",
        )
    return {**asked, **more}


def pixels_of(output: Any, count: int, sampling: SamplingSpec, name: str) -> Iterator[torch.Tensor | None]:
    """uint8 [T, H, W, 3] of each sample of a pipeline's output; None if its numbers are not finite.

    UserError if the pipeline made another size, or another number of frames, than the suite asks for.
    """
    made = getattr(output, "images", None)
    made = getattr(output, "frames", None) if made is None else made
    if made is None or len(made) != count:
        raise UserError(f"{name}: its output has neither images nor frames for {count} prompts", "use another pipeline")
    for sample in made:
        pixels = np.asarray(sample, dtype=np.float32)
        pixels = pixels[None] if pixels.ndim == 3 else pixels
        _check_size(pixels, sampling, name)
        finite = bool(np.isfinite(pixels).all())
        yield torch.from_numpy((pixels * 255).round().clip(0, 255).astype(np.uint8)) if finite else None


def _check_size(pixels: np.ndarray, sampling: SamplingSpec, name: str) -> None:
    frames, height, width = pixels.shape[:3]
    asked = (sampling.num_frames or frames, sampling.height or height, sampling.width or width)
    if asked != (frames, height, width):
        raise UserError(
            f"sampling asks for {asked[0]} x {asked[2]}x{asked[1]} (frames x width x height), but {name} made "
            f"{frames} x {width}x{height}",
            "ask for a size that it makes",
        )


def networks_of(pipeline: Any) -> dict[str, nn.Module]:
    """The networks of a pipeline by name."""
    return {name: part for name, part in pipeline.components.items() if isinstance(part, nn.Module)}


class Finiteness:
    """Watches an autoencoder's decoder: pipelines clamp its output, which turns infinity into plain white or black."""

    def __init__(self, pipeline: DiffusionPipeline, batch: int):
        decoder = getattr(getattr(pipeline, "vae", None), "decoder", None)
        self._decoder = decoder if isinstance(decoder, nn.Module) else None
        self._finite = [True] * batch
        self._next = 0

    def __enter__(self) -> Finiteness:
        if self._decoder is not None:
            self._hook = self._decoder.register_forward_hook(self._look)
        return self

    def __exit__(self, *_: object) -> None:
        if self._decoder is not None:
            self._hook.remove()

    def of_sample(self, index: int) -> bool:
        """Whether all that was decoded of a sample is finite."""
        return self._finite[index]

    def _look(self, module: nn.Module, inputs: Any, output: Any) -> None:
        if not isinstance(output, torch.Tensor) or output.ndim < 4:
            return
        found = output.flatten(1).isfinite().all(1).tolist()
        # Decoded whole or in tiles, a batch comes together; with slicing, sample after sample.
        start = 0 if len(found) == len(self._finite) else self._next
        for place, finite in enumerate(found, start):
            self._finite[place % len(self._finite)] &= finite
        self._next = (start + len(found)) % len(self._finite)
