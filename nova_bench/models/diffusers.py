"""The `diffusers` adapter: units -> images and videos by any text-to-image or text-to-video pipeline of diffusers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Literal

from pydantic import Field, model_validator

from nova_bench.config.paths import SuitePath
from nova_bench.config.units import Unit
from nova_bench.core.errors import MissingAsset, UserError
from nova_bench.core.identity import digest
from nova_bench.models.base import AdapterContext, AdapterInfo, Output
from nova_bench.models.checkpoints import SourceSpec
from nova_bench.models.not_finite import not_finite
from nova_bench.models.nova import PRECISION, dtype_name
from nova_bench.models.optional_packages import missing_packages, require_packages
from nova_bench.models.pipeline_files import files_of, locate_pipeline, missing_pipeline
from nova_bench.models.pipeline_loading import load_pipeline
from nova_bench.models.pipeline_prompts import notice_prompts

GENERATOR_VERSION = "1"
"""Changes whenever the same checkpoint, settings, seed and version of diffusers may give another sample."""

RESERVED = frozenset(
    [
        *("prompt", "generator", "output_type", "return_dict", "num_images_per_prompt", "latents"),
        *("height", "width", "num_inference_steps", "guidance_scale", "negative_prompt", "num_frames"),
    ]
)
"""Arguments of a pipeline that come from elsewhere: the unit, the suite's `sampling`, or this adapter."""

Value = str | int | float | bool | None | list[float | int | str]


class DiffusersSpec(SourceSpec):
    """A text-to-image or text-to-video pipeline of diffusers. Give either `checkpoint` or `folder`.

    Size, steps, guidance, negative prompt and frames are in the suite's `sampling`; what it leaves out keeps the
    pipeline's default. Safety checkers and watermarks are off.
    """

    adapter: Literal["diffusers"] = "diffusers"
    """`diffusers`"""
    folder: SuitePath | None = None
    """A pipeline's folder, with model_index.json."""
    variant: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_]+$")
    """Variant of the weight files, such as `fp16`."""
    pipeline: str | None = None
    """Class of the pipeline, if it is another than model_index.json names."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision of the networks. auto: float16 on a GPU, float32 on the CPU."""
    scheduler: str | None = None
    """Class of another scheduler, such as `DPMSolverMultistepScheduler`; it keeps the checkpoint's settings."""
    scheduler_options: dict[str, Value] = Field(default_factory=dict)
    """Settings of the scheduler that differ from the checkpoint's."""
    arguments: dict[str, Value] = Field(default_factory=dict)
    """Further arguments of the pipeline's call, such as `clean_caption: false`."""
    cpu_offload: bool = False
    """Keep each network on the GPU only while it works: less GPU memory, slower."""
    settings_from: str = ""
    """Where the settings come from, and which of them are not published. Shown with the plan and in the report."""

    @model_validator(mode="after")
    def _free_arguments(self) -> DiffusersSpec:
        if taken := sorted(RESERVED & self.arguments.keys()):
            raise ValueError(f"arguments: {', '.join(taken)} can't be given here; sampling settings are in `sampling`")
        return self


class DiffusersAdapter:
    """Loads the pipeline on the first batch and keeps it."""

    def __init__(self, options: DiffusersSpec, context: AdapterContext):
        self._options, self._context = options, context
        self._pipeline: Any = None
        if options.settings_from:
            context.warn(f"{options.name}: {options.settings_from}", asked=True)

    def digest(self) -> str:
        """Digest of the checkpoint's content and of all else that changes a sample; reads no weights into memory.

        A checkpoint that isn't here yet gets a digest of its name: nothing was generated with it.
        """
        options = self._options
        try:
            folder = locate_pipeline(options)
            content: Any = files_of(folder, options.variant, self._context.file_digest)
        except MissingAsset:
            content = ["absent", options.checkpoint or options.folder, options.revision, options.variant]
        how = [
            GENERATOR_VERSION,
            dtype_name(options.dtype, self._context.device),
            [version(package) for package in ("diffusers", "transformers")],
            options.model_dump(mode="json", include={"pipeline", "scheduler", "scheduler_options", "arguments"}),
        ]
        return digest("diffusers", [content, how])

    def existing(self) -> None:
        """None: samples are made on request."""

    def generate(self, units: Sequence[Unit]) -> Iterator[Output]:
        """Generate one batch. Each sample's noise comes from its own generator, on the CPU: the same on any device."""
        import torch

        from nova_bench.models.pipeline_calls import Finiteness, call_arguments, networks_of, pixels_of

        pipeline = self._loaded()
        sampling = self._context.suite.sampling
        arguments = call_arguments(type(pipeline), sampling, self._options.arguments)
        if (negative := arguments.pop("negative_prompt", None)) is not None:
            arguments["negative_prompt"] = [negative] * len(units)
        if any(unit.image is not None for unit in units):
            raise UserError(
                f"{type(pipeline).__name__} makes samples from text alone, but the suite's prompts have a first frame",
                "remove `image` from the prompts",
            )
        started = time.perf_counter()
        with Finiteness(pipeline, len(units)) as finite:
            output = pipeline(
                prompt=[unit.model_text for unit in units],
                generator=[torch.Generator("cpu").manual_seed(unit.seed) for unit in units],
                output_type="np",
                **arguments,
            )
        samples = pixels_of(output, len(units), sampling, type(pipeline).__name__)
        seconds = (time.perf_counter() - started) / len(units)
        for index, (unit, sample) in enumerate(zip(units, samples, strict=True)):
            if sample is None or not finite.of_sample(index):
                yield Output(unit, error=not_finite("decoded pixels", networks_of(pipeline), PRECISION))
            else:
                yield Output(unit, frames=sample, details={"seconds": seconds})

    def _loaded(self) -> Any:
        if self._pipeline is None:
            require_packages()
            self._pipeline = load_pipeline(self._options, locate_pipeline(self._options), self._context)
        return self._pipeline


def protocol(section: Mapping[str, Any], device: str) -> dict[str, Any]:
    """See :attr:`nova_bench.models.base.AdapterInfo.protocol`."""
    stated = {name: section[name] for name in ("scheduler", "scheduler_options", "arguments") if section.get(name)}
    return {
        "precision": dtype_name(str(section.get("dtype", "auto")), device),
        "sampler": {**stated, "safety checker": "off", "watermark": "off"},
    }


def missing(options: DiffusersSpec) -> list[str]:
    """What must be fetched or installed before a pipeline can be used, with the commands."""
    return [*missing_pipeline(options), *missing_packages()]


INFO = AdapterInfo(
    name="diffusers",
    summary="any text-to-image or text-to-video pipeline of diffusers, by hub id or folder",
    options=DiffusersSpec,
    factory=f"{__name__}:DiffusersAdapter",
    missing=missing,
    prompt_notices=notice_prompts,
    protocol=protocol,
)
