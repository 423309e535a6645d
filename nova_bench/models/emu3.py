"""The `emu3` adapter: images by Emu3 through transformers, token by token, each sample from its own seed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from nova_bench.config.fields import Count
from nova_bench.config.paths import SuitePath
from nova_bench.config.suite import SamplingSpec
from nova_bench.config.units import Unit
from nova_bench.core.errors import MissingAsset, UserError
from nova_bench.core.identity import digest
from nova_bench.models.base import AdapterContext, AdapterInfo, Output
from nova_bench.models.checkpoints import SourceSpec, completed_by_fetching, digests_of, locate_source, missing_source
from nova_bench.models.completeness import Incomplete
from nova_bench.models.not_finite import not_finite
from nova_bench.models.nova import PRECISION
from nova_bench.models.pipeline_files import configuration_files, weight_files

GENERATOR_VERSION = "1"
"""Changes whenever the same checkpoint, settings, seed and version of transformers may give another image."""
GUIDANCE, AREA = 3.0, 720 * 720
"""Guidance and pixels of the published example."""
OF_OTHERS = ("num_inference_steps", "num_diffusion_steps", "motion_flow")
"""Sampling settings that a model without diffusion doesn't have."""


class Emu3Spec(SourceSpec):
    """Emu3 in the layout of transformers (`Emu3ForConditionalGeneration`). Give either `checkpoint` or `folder`.

    Size, guidance and negative prompt are in the suite's `sampling`.
    """

    adapter: Literal["emu3"] = "emu3"
    """`emu3`"""
    folder: SuitePath | None = None
    """A checkpoint's folder, with config.json."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision of the network. auto: bfloat16 on a GPU, as the published example, float32 on the CPU."""
    top_k: Count = 2048
    """Visual tokens are drawn from this many of the likeliest."""
    prompt_suffix: str = ""
    """Text appended to every prompt, such as the published example's words for quality."""
    settings_from: str = ""
    """Where the settings come from, and which of them are not published. Shown with the plan and in the report."""


class Emu3Adapter:
    """Loads the model on the first batch and keeps it."""

    def __init__(self, options: Emu3Spec, context: AdapterContext):
        self._options, self._context = options, context
        self._model: Any = None
        self._processor: Any = None
        if options.settings_from:
            context.warn(f"{options.name}: {options.settings_from}", asked=True)

    def digest(self) -> str:
        """Digest of the checkpoint's content and of all else that changes an image; reads no weights into memory.

        A checkpoint that isn't here yet gets a digest of its name: nothing was generated with it.
        """
        options = self._options
        try:
            folder = locate_emu3(options)
            content: Any = digests_of(folder, emu3_files, self._context.file_digest)
        except MissingAsset:
            content = ["absent", options.checkpoint or options.folder, options.revision]
        how = [GENERATOR_VERSION, version("transformers"), dtype_name(options.dtype, self._context.device)]
        return digest("emu3", [content, how, options.top_k, options.prompt_suffix])

    def existing(self) -> None:
        """None: images are made on request."""

    def generate(self, units: Sequence[Unit]) -> Iterator[Output]:
        """Generate one batch. Tokens are drawn on the CPU, each sample's by its own generator."""
        from nova_bench.models.emu3_sampling import draw_images

        sampling = self._context.suite.sampling
        check_sampling(sampling, units)
        self._load()
        started = time.perf_counter()
        images = draw_images(
            self._model,
            self._processor,
            [unit.model_text + self._options.prompt_suffix for unit in units],
            [unit.seed for unit in units],
            negative=sampling.negative_prompt or "",
            guidance=GUIDANCE if sampling.guidance_scale is None else sampling.guidance_scale,
            size=size_of(sampling),
            top_k=self._options.top_k,
        )
        seconds = (time.perf_counter() - started) / len(units)
        for unit, image in zip(units, images, strict=True):
            if image is None:
                yield Output(unit, error=not_finite("logits or decoded pixels", {"emu3": self._model}, PRECISION))
            else:
                yield Output(unit, frames=image[None], details={"seconds": seconds})

    def _load(self) -> None:
        if self._model is None:
            from nova_bench.models.emu3_sampling import load_emu3

            dtype = dtype_name(self._options.dtype, self._context.device)
            folder = locate_emu3(self._options)
            self._model, self._processor = load_emu3(folder, dtype, self._context.device)


def dtype_name(dtype: str, device: str) -> str:
    """Resolve ``auto`` for a device."""
    if dtype != "auto":
        return dtype
    return "bfloat16" if device.startswith("cuda") else "float32"


def size_of(sampling: SamplingSpec) -> tuple[int, int]:
    """(height, width) in pixels; a side that the suite leaves out is that of the published example."""
    side = round(AREA**0.5)
    return sampling.height or side, sampling.width or side


def check_sampling(sampling: SamplingSpec, units: Sequence[Unit]) -> None:
    """Raise UserError for settings that Emu3 doesn't have."""
    wrong = next((name for name in OF_OTHERS if getattr(sampling, name) is not None), None)
    if wrong:
        raise UserError(f"sampling.{wrong}: Emu3 has no such setting", "give its own settings in `model.sampling`")
    if sampling.num_frames not in (None, 1):
        raise UserError(
            f"Emu3 makes images here, but the suite asks for {sampling.num_frames} frames", "set sampling.num_frames: 1"
        )
    if any(unit.image is not None for unit in units):
        raise UserError(
            "Emu3 makes images from text alone, but the suite's prompts have a first frame", "remove `image`"
        )


def locate_emu3(options: Emu3Spec) -> Path:
    """The checkpoint's folder on this machine; MissingAsset if it isn't here, Incomplete if it lacks weights."""
    folder = locate_source(options)
    with completed_by_fetching(options):
        emu3_files(folder)
    return folder


def emu3_files(folder: Path) -> list[Path]:
    """Every file that is loaded, sorted. Incomplete if one is missing."""
    for name in ("config.json", "tokenizer.json"):
        if not (folder / name).is_file():
            raise Incomplete(f"{folder}: the checkpoint is incomplete: no {name}", "get the checkpoint again, whole")
    return sorted([*configuration_files(folder), *weight_files(folder, None)])


def missing_emu3(options: Emu3Spec) -> list[str]:
    """What must be fetched before the model can be used, with the command; empty if it is here."""
    return missing_source(options, locate_emu3)


def protocol(section: Mapping[str, Any], device: str) -> dict[str, Any]:
    """See :attr:`nova_bench.models.base.AdapterInfo.protocol`."""
    return {
        "precision": dtype_name(str(section.get("dtype", "auto")), device),
        "sampler": {name: section[name] for name in ("top_k", "prompt_suffix") if section.get(name)},
    }


INFO = AdapterInfo(
    name="emu3",
    summary="Emu3 through transformers: text-to-image by next-token prediction",
    options=Emu3Spec,
    factory=f"{__name__}:Emu3Adapter",
    missing=missing_emu3,
    protocol=protocol,
)
