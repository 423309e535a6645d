"""One image or video from a checkpoint, and where its time went."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nova_bench.core.device import resolve_device
from nova_bench.core.errors import UserError
from nova_bench.core.stopwatch import make_stopwatch
from nova_bench.models.not_finite import networks, not_finite
from nova_bench.models.nova import NovaSpec, explained, first_frame, latent_length, load_pipeline
from nova_bench.models.prompt_notices import notice_prompts
from nova_bench.models.shorthand import model_section
from nova_bench.video import probe, write_image, write_lossless, write_mp4

PICTURE = ".png"
SUFFIXES = (".mp4", ".mkv", PICTURE)


@dataclass(frozen=True)
class Request:
    """What to make. ``arguments`` are the pipeline's; None keeps the official default."""

    prompt: str
    model: str
    out: Path | None
    """Output file; None for nova.mp4, or nova.png for one frame."""
    image: Path | None
    num_frames: int | None
    seed: int
    device: str
    dtype: str
    extrapolation: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Made:
    """What was made, and the seconds of each part (text, temporal, spatial, head, vae)."""

    path: Path
    frames: int
    seconds: float
    parts: dict[str, float] = field(default_factory=dict)

    def profile_text(self) -> str:
        """Seconds and share of each part; ``other`` is the time outside all parts."""
        from tabulate import tabulate

        parts = {**self.parts, "other": self.seconds - sum(self.parts.values())}
        rows = [[name, seconds, 100 * seconds / self.seconds] for name, seconds in parts.items()]
        return tabulate(
            [*rows, ["total", self.seconds, 100.0]], ["part", "seconds", "%"], floatfmt=(".1f", ".3f", ".1f")
        )


def make_sample(request: Request, warn: Callable[..., None]) -> Made:
    """Generate one sample and write it. UserError for a wrong model, image, length or file type."""
    import torch

    from nova_bench.nova import NotFiniteError

    suffix = _suffix(request)
    device = resolve_device(request.device)
    options = _options(request)
    if options.refusal:
        warn(f"{request.model}: {options.refusal}")
    if request.image and (count := probe(request.image).frames or 1) > 1:
        warn(f"{request.image}: the first of its {count} frames is used")
    notice_prompts(options, [request.prompt, request.arguments.get("negative_prompt") or ""], warn)
    with explained():
        pipeline = load_pipeline(options, device, warn)
        pipeline.speed_up()
        watch = make_stopwatch(device)
        started = time.perf_counter()
        try:
            output = pipeline(
                request.prompt,
                image=first_frame(request.image, pipeline.transformer.config.image_size) if request.image else None,
                generator=torch.Generator(pipeline.device).manual_seed(request.seed),
                max_latent_length=1 if suffix == PICTURE else latent_length(pipeline, request.num_frames),
                output_type="np",
                extrapolation=request.extrapolation,
                observer=watch,
                disable_progress_bar=not sys.stderr.isatty(),
                **{name: value for name, value in request.arguments.items() if value is not None},
            )
        except NotFiniteError as error:
            raise not_finite(error.faults[0], networks(pipeline), "--dtype ") from error
        seconds = time.perf_counter() - started
    frames = torch.from_numpy(output.frames[0] if output.frames is not None else output.images)
    path = request.out or Path("nova.png" if len(frames) == 1 else "nova.mp4")
    if path.suffix.lower() == PICTURE:
        write_image(path, frames[0])
    elif path.suffix.lower() == ".mkv":
        write_lossless(path, frames, 12)
    else:
        write_mp4(path, frames)
    return Made(path, len(frames), seconds, watch.seconds())


def _suffix(request: Request) -> str | None:
    """The requested file type; UserError, before anything is loaded, if it can't be written."""
    if request.out is None:
        return None
    suffix = request.out.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(f"--out {request.out}: unknown file type", f"one of {' '.join(SUFFIXES)}")
    if suffix == PICTURE and request.num_frames not in (None, 1):
        raise UserError(
            f"--frames {request.num_frames} --out {request.out}: a picture holds one frame",
            "leave out --frames, or write a video: --out NAME.mp4 or NAME.mkv",
        )
    if not request.out.parent.is_dir():
        raise UserError(f"--out {request.out}: no folder {request.out.parent}", "make it first")
    return suffix


def _options(request: Request) -> NovaSpec:
    section = {**model_section(request.model), "dtype": request.dtype, "extrapolation": request.extrapolation}
    if section["adapter"] != "nova":
        raise UserError(f"--model {request.model}: holds videos, not a NOVA checkpoint", "give a checkpoint")
    section.pop("label", None)
    try:
        return NovaSpec.model_validate(section)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"--{first['loc'][-1]}: {first['msg']}", "see --help") from error
