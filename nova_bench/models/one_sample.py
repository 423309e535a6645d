"""One image or video from a checkpoint, and where its time went."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nova_bench.device import resolve_device
from nova_bench.errors import UserError
from nova_bench.latency.stopwatch import make_stopwatch
from nova_bench.models.nova import NovaSpec, explained, first_frame, latent_length, load_pipeline
from nova_bench.models.shorthand import model_section

SUFFIXES = (".mp4", ".mkv", ".png")


@dataclass(frozen=True)
class Request:
    """What to make. ``arguments`` are those of the pipeline; None keeps the official default."""

    prompt: str
    model: str
    out: Path
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
        """Seconds and share of each part; ``other`` is what no part claims."""
        from tabulate import tabulate

        parts = {**self.parts, "other": self.seconds - sum(self.parts.values())}
        rows = [[name, seconds, 100 * seconds / self.seconds] for name, seconds in parts.items()]
        return tabulate(
            [*rows, ["total", self.seconds, 100.0]], ["part", "seconds", "%"], floatfmt=(".1f", ".3f", ".1f")
        )


def make_sample(request: Request, warn: Callable[[str], None]) -> Made:
    """Generate one sample and write it. UserError for a wrong model, image, length or file type."""
    import torch

    from nova_bench.video import write_image, write_lossless, write_mp4

    if request.out.suffix.lower() not in SUFFIXES:
        raise UserError(f"{request.out}: unknown file type", f"one of {' '.join(SUFFIXES)}")
    device = resolve_device(request.device)
    options = _options(request)
    if options.refusal:
        warn(f"{request.model}: {options.refusal}")
    with explained():
        pipeline = load_pipeline(options, device, warn)
        watch = make_stopwatch(device)
        started = time.perf_counter()
        output = pipeline(
            request.prompt,
            image=first_frame(request.image) if request.image else None,
            generator=torch.Generator(pipeline.device).manual_seed(request.seed),
            max_latent_length=1 if request.out.suffix == ".png" else latent_length(pipeline, request.num_frames),
            output_type="np",
            extrapolation=request.extrapolation,
            observer=watch,
            disable_progress_bar=not sys.stderr.isatty(),
            **{name: value for name, value in request.arguments.items() if value is not None},
        )
        seconds = time.perf_counter() - started
    frames = torch.from_numpy(output.frames[0] if output.frames is not None else output.images)
    path = request.out
    if len(frames) == 1:
        path = path.with_suffix(".png")
        write_image(path, frames[0])
    elif path.suffix.lower() == ".mkv":
        write_lossless(path, frames, 12)
    else:
        write_mp4(path, frames)
    return Made(path, len(frames), seconds, watch.seconds())


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
