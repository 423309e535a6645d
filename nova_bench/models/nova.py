"""The `nova` adapter: units -> videos and images by a NOVA checkpoint, in batches, each sample from its own seed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import model_validator

from nova_bench.config.fields import BatchSize
from nova_bench.config.paths import SuitePath
from nova_bench.config.suite import SamplingSpec
from nova_bench.config.units import Unit
from nova_bench.core.errors import MediaError, MissingAsset, UserError
from nova_bench.core.identity import digest
from nova_bench.core.messages import and_more, shorten
from nova_bench.models.base import AdapterContext, AdapterInfo, Output
from nova_bench.models.checkpoints import SourceSpec, files_digest, locate_checkpoint, missing_checkpoint
from nova_bench.models.not_finite import networks, not_finite
from nova_bench.models.prompt_notices import notice_prompts
from nova_bench.models.random_weights import RANDOM_NAMES, REFUSAL, random_pipeline
from nova_bench.video import read_clip

if TYPE_CHECKING:
    from torch import Tensor

    from nova_bench.nova import NOVAPipeline
    from nova_bench.nova.block_outputs import BlockOutputs

GENERATOR_VERSION = "1"
"""Changes whenever the same checkpoint, settings and seed may give a different video."""

CUDA_DRAWS = "cuda 2"
"""A GPU has other random numbers than a CPU; this changes with the order in which it draws them."""

PRECISION = "--set model.dtype="
"""Option that sets the precision, without its value."""

PAPER_LATENTS = 9
"""Latent frames of the paper's videos: 33 frames (Sec. 4.1 and the official evaluation scripts)."""

PIPELINE_ARGUMENTS = {
    "num_inference_steps": "num_inference_steps",
    "num_diffusion_steps": "num_diffusion_steps",
    "guidance_scale": "guidance_scale",
    "motion_flow": "motion_flow",
    "negative_prompt": "negative_prompt",
}
"""Field of SamplingSpec -> argument of the pipeline; an absent field keeps the official default."""


class CheckpointSpec(SourceSpec):
    """Options of everything that needs a NOVA checkpoint. Give either `checkpoint` or `folder`."""

    checkpoint: str | None = None
    """A published checkpoint by its short name (`nova_bench assets list`), or any hub id (`owner/name`)."""
    folder: SuitePath | None = None
    """A checkpoint folder in the published layout (model_index.json, transformer/, vae/, ...)."""
    random_weights: bool = False
    """Random weights in the architecture that `checkpoint` names; nothing is fetched. For timing, never for a score."""
    revision: str | None = None
    """Branch, tag or commit of a hub id; the pinned one for published checkpoints, else `main`."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision of the networks. auto: float16 on a GPU, as the official evaluation does, float32 on the CPU."""
    made_by: str = ""
    """Command that makes `folder`; shown if the folder is missing."""
    vae_tiling: bool = False
    """Decode in spatial tiles: less memory, slightly different pixels. Part of a unit's identity."""

    @model_validator(mode="after")
    def _known_architecture(self) -> CheckpointSpec:
        if self.random_weights and self.checkpoint not in RANDOM_NAMES:
            raise ValueError(f"random_weights: `checkpoint` is one of {', '.join(RANDOM_NAMES)}")
        return self

    @property
    def refusal(self) -> str:
        """See ModelSpec."""
        return REFUSAL if self.random_weights else ""


class NovaSpec(CheckpointSpec):
    """A NOVA checkpoint. Give either `checkpoint` or `folder`."""

    adapter: Literal["nova"] = "nova"
    """`nova`"""
    cpu_offload: bool = False
    """Keep each network on the GPU only while it works: less GPU memory, slower."""
    vae_batch_size: BatchSize = 1
    """Samples decoded together."""
    extrapolation: Literal["interpolate", "extend", "window"] = "interpolate"
    """Positions of videos longer than in training: the official code's rule, or one of two others (App. C)."""
    block_outputs: bool = False
    """Record with each video the magnitudes of the encoders' block outputs, frame by frame (App. B)."""


class NovaAdapter:
    """Loads the pipeline on the first batch and keeps it."""

    def __init__(self, options: NovaSpec, context: AdapterContext):
        self._options, self._context = options, context
        self._pipeline: NOVAPipeline | None = None

    def digest(self) -> str:
        """Digest of every file of the checkpoint and of all else that changes a video; reads no weights into memory.

        A checkpoint that isn't here yet gets a digest of its name: nothing was generated with it.
        """
        options = self._options
        how = [GENERATOR_VERSION, self._dtype_name(), options.vae_tiling, options.extrapolation]
        # Changes no pixel, but a video made without it lacks the recorded outputs.
        how += ["block_outputs"] if options.block_outputs else []
        # Random numbers are drawn on the device, and its kernels round in their own way. CPUs came first: their digests
        # stay as they were.
        how += [CUDA_DRAWS] if self._context.device.startswith("cuda") else []
        return digest("nova", [checkpoint_content(options, self._context.file_digest), how])

    def existing(self) -> None:
        """NOVA makes its videos itself."""

    def generate(self, units: Sequence[Unit]) -> Iterator[Output]:
        """Generate one batch: text-to-video and image-to-video units separately, each sample with its own generator."""
        pipeline = self._loaded()
        if texts := [unit for unit in units if unit.image is None]:
            yield from self._sample(pipeline, texts, None)
        pictured, images = [], []
        for unit in units:
            if unit.image is None:
                continue
            try:
                images.append(first_frame(Path(unit.image), pipeline.transformer.config.image_size))
                pictured.append(unit)
            except MediaError as error:
                yield Output(unit, error=error)
        if pictured:
            yield from self._sample(pipeline, pictured, images)

    def _sample(
        self, pipeline: NOVAPipeline, units: Sequence[Unit], images: Sequence[Tensor] | None
    ) -> Iterator[Output]:
        import torch

        from nova_bench.models.nova_steps import ReportedSteps
        from nova_bench.nova import NotFiniteError

        what = and_more(shorten(units[0].prompt), len(units))
        started = time.perf_counter()
        faults: dict[int, str] = {}
        with explained(), self._watch(pipeline, len(units)) as outputs:
            try:
                output = pipeline(
                    prompt=[unit.model_text for unit in units],
                    image=images,
                    generator=[torch.Generator(pipeline.device).manual_seed(unit.seed) for unit in units],
                    max_latent_length=self._latent_length(pipeline),
                    output_type="np",
                    disable_progress_bar=True,
                    vae_batch_size=self._options.vae_batch_size,
                    extrapolation=self._options.extrapolation,
                    observer=ReportedSteps(what, outputs),
                    **self._arguments(),
                )
                arrays = dict(enumerate(output.images if output.frames is None else output.frames))
            except NotFiniteError as error:
                arrays, faults = error.finished, error.faults
        # Loading the model is not counted: it happens once.
        seconds = (time.perf_counter() - started) / len(units)
        for index, unit in enumerate(units):
            if index in faults:
                yield Output(unit, error=not_finite(faults[index], networks(pipeline), PRECISION))
                continue
            details: dict[str, Any] = {"seconds": seconds}
            if outputs is not None:
                details["block_outputs"] = outputs.of_sample(index)
            frames = torch.from_numpy(arrays[index])
            yield Output(unit, frames=frames if frames.ndim == 4 else frames[None], details=details)

    def _watch(self, pipeline: NOVAPipeline, batch: int) -> AbstractContextManager[BlockOutputs | None]:
        from nova_bench.nova.block_outputs import BlockOutputs

        return BlockOutputs(pipeline.transformer, batch) if self._options.block_outputs else nullcontext()

    def _loaded(self) -> NOVAPipeline:
        if self._pipeline is None:
            with explained():
                self._pipeline = load_pipeline(self._options, self._context.device, self._context.warn)
                check_size(self._pipeline, self._context.suite.sampling)
                self._pipeline.speed_up()
        return self._pipeline

    def _dtype_name(self) -> str:
        return dtype_name(self._options.dtype, self._context.device)

    def _latent_length(self, pipeline: NOVAPipeline) -> int:
        return latent_length(pipeline, self._context.suite.sampling.num_frames)

    def _arguments(self) -> dict[str, Any]:
        sampling = self._context.suite.sampling
        return {
            argument: value
            for field, argument in PIPELINE_ARGUMENTS.items()
            if (value := getattr(sampling, field)) is not None
        }


def checkpoint_content(options: NovaSpec, file_digest: Callable[[Path], str]) -> Any:
    """What a checkpoint's digest covers: each file's digest, or its name if it isn't here or has no files."""
    if options.random_weights:
        return ["random", options.checkpoint]
    try:
        folder = locate_checkpoint(options)
    except MissingAsset:
        return ["absent", options.checkpoint or options.folder, options.revision]
    return files_digest(folder, file_digest)


def load_pipeline(options: NovaSpec, device: str, warn: Callable[[str], None]) -> NOVAPipeline:
    """The pipeline of a checkpoint on a device. MissingAsset if it isn't here, NOVAError if it can't be used."""
    import torch

    from nova_bench.nova import NOVAPipeline

    dtype = getattr(torch, dtype_name(options.dtype, device))
    if dtype == torch.float16 and device == "cpu":
        warn("float16 on the CPU is slow and imprecise; use float32")
    place = "cpu" if options.cpu_offload else device
    if options.random_weights:
        pipeline = random_pipeline(str(options.checkpoint), dtype, place)
    else:
        pipeline = NOVAPipeline.from_pretrained(locate_checkpoint(options), torch_dtype=dtype, device=place)
    if options.cpu_offload:
        pipeline.enable_model_cpu_offload(device)
    if options.vae_tiling:
        pipeline.enable_vae_tiling()
    return pipeline


def dtype_name(dtype: str, device: str) -> str:
    """Resolve ``auto`` for a device."""
    if dtype != "auto":
        return dtype
    return "float16" if device.startswith("cuda") else "float32"


def latent_length(pipeline: NOVAPipeline, num_frames: int | None) -> int:
    """Latent frames that decode to ``num_frames``; those of the paper's evaluation if it is None.

    UserError, with the nearest lengths, if no latent length gives that many: the autoencoder decodes complete
    tiles only (5, 9, 13, ... latents beyond the fifth).
    """
    if num_frames is None:
        longest = min(PAPER_LATENTS, pipeline.transformer.config.video_base_size[0])
        return max(length for length in range(1, longest + 1) if _is_whole(pipeline, length))
    lengths = {pipeline.vae.num_frames(length): length for length in _lengths(pipeline, num_frames)}
    if num_frames in lengths:
        return lengths[num_frames]
    near = sorted(lengths, key=lambda frames: abs(frames - num_frames))[:2]
    raise UserError(
        f"num_frames {num_frames}: this model's autoencoder never decodes to that many frames",
        f"nearest: {' or '.join(map(str, sorted(near)))}",
    )


def _lengths(pipeline: NOVAPipeline, num_frames: int) -> Iterator[int]:
    """Whole latent lengths from 1 until ``num_frames`` is exceeded; only 1 for image models."""
    yield 1
    length = 1
    while pipeline.transformer.config.has_motion and pipeline.vae.num_frames(length) <= num_frames:
        length += 1
        if _is_whole(pipeline, length):
            yield length


def _is_whole(pipeline: NOVAPipeline, length: int) -> bool:
    """Whether decoding that many latent frames drops none."""
    if length == 1:
        return True
    return pipeline.vae.num_frames(length) == 1 + pipeline.vae.temporal_stride * (length - 1)


def check_size(pipeline: NOVAPipeline, sampling: SamplingSpec) -> None:
    """Raise UserError if a suite asks for a frame size that the checkpoint doesn't make."""
    height, width = pipeline.transformer.config.image_size
    if (sampling.height or height, sampling.width or width) != (height, width):
        raise UserError(
            f"sampling asks for {sampling.width or width}x{sampling.height or height}, but this checkpoint makes "
            f"{width}x{height}",
            f"set sampling.height: {height} and sampling.width: {width}, or leave them out",
        )


def video_lengths(options: CheckpointSpec) -> tuple[int, int]:
    """Latent frames of the videos a checkpoint was trained on, and the frames per latent frame.

    Reads only its configuration. MissingAsset if the checkpoint isn't here, UserError if it can't be read.
    """
    import torch

    from nova_bench.nova.checkpoint import CONFIG_NAME, read_json
    from nova_bench.nova.config import NOVAConfig
    from nova_bench.nova.vae import vae_from_config

    folder = locate_checkpoint(options)
    with explained(), torch.device("meta"):
        trained = NOVAConfig.from_file(folder / "transformer" / CONFIG_NAME).video_base_size[0]
        return trained, vae_from_config(read_json(folder / "vae" / CONFIG_NAME)).temporal_stride


def first_frame(path: Path, size: tuple[int, int] | None = None) -> Tensor:
    """The first frame of an image or video, uint8 [H, W, 3].

    MediaError if it can't be read or is not of ``size`` = (H, W).
    """
    frame = read_clip(path, max_frames=1, allow_truncated=True).frames[0]
    if size is not None and tuple(frame.shape[:2]) != tuple(size):
        height, width, _ = frame.shape
        raise MediaError(
            f"{path}: the first frame is {width}x{height}, but this checkpoint makes {size[1]}x{size[0]}",
            "crop or resize it to that size",
        )
    return frame


@contextmanager
def explained() -> Iterator[None]:
    """Turn errors of the NOVA library, which concern the whole run, into UserErrors."""
    from nova_bench.nova import NOVAError

    try:
        yield
    except NOVAError as error:
        raise UserError(str(error), "correct the named checkpoint or settings") from error


def protocol(section: Mapping[str, Any], device: str) -> dict[str, Any]:
    """See :attr:`nova_bench.models.base.AdapterInfo.protocol`; of the sampler, only what differs from the default."""
    options = {"vae_tiling": section.get("vae_tiling", False), "extrapolation": section.get("extrapolation")}
    usual = {"vae_tiling": False, "extrapolation": NovaSpec.model_fields["extrapolation"].default}
    return {
        "precision": dtype_name(str(section.get("dtype", "auto")), device),
        "sampler": {name: value for name, value in options.items() if value not in (usual[name], None)},
    }


INFO = AdapterInfo(
    name="nova",
    summary="a NOVA checkpoint in the published layout: text-to-image, text-to-video, image-to-video",
    options=NovaSpec,
    factory=f"{__name__}:NovaAdapter",
    missing=missing_checkpoint,
    prompt_notices=notice_prompts,
    protocol=protocol,
)
