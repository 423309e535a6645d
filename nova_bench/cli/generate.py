"""`nova_bench generate`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from nova_bench.cli import options
from nova_bench.config import ranges
from nova_bench.core.errors import ExitCode
from nova_bench.core.progress import Progress
from nova_bench.core.standard_streams import print_line
from nova_bench.pipeline.one_sample import Request, make_sample


def generate(
    prompt: Annotated[str, typer.Argument(help="What to show.")],
    model: Annotated[str, typer.Option("--model", help="A checkpoint: folder, published name or hub id.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="File to write: .mp4, .mkv (lossless), or .png for one frame. Default: nova.mp4 or nova.png."
        ),
    ] = None,
    image: Annotated[Path | None, typer.Option("--image", help="First frame (image-to-video).")] = None,
    frames: Annotated[
        int | None, typer.Option("--frames", min=1, max=ranges.FRAMES, help="Frames; 1 is an image.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", callback=options.seed_of_64_bits, help="Seed of the sample.")] = 1337,
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, max=ranges.STEPS, help="Autoregressive steps per frame.")
    ] = None,
    diffusion_steps: Annotated[
        int | None, typer.Option("--diffusion-steps", min=1, max=ranges.STEPS, help="Diffusion steps per token set.")
    ] = None,
    guidance: Annotated[
        float | None, typer.Option("--guidance", min=0, callback=options.finite, help="Classifier-free guidance.")
    ] = None,
    motion: Annotated[
        float | None, typer.Option("--motion", callback=options.finite, help="Requested motion flow.")
    ] = None,
    negative: Annotated[str | None, typer.Option("--negative", help="Negative prompt.")] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, ...")] = "auto",
    dtype: Annotated[str, typer.Option("--dtype", help="auto, float32, bfloat16 or float16.")] = "auto",
    extrapolation: Annotated[
        str, typer.Option("--extrapolation", help="interpolate, extend or window.")
    ] = "interpolate",
    profile: Annotated[bool, typer.Option("--profile", help="Show where the time went.")] = False,
) -> ExitCode:
    """Make one image or video with a NOVA checkpoint."""
    request = Request(
        prompt=prompt,
        model=model,
        out=out,
        image=image,
        num_frames=frames,
        seed=seed,
        device=device,
        dtype=dtype,
        extrapolation=extrapolation,
        arguments={
            "num_inference_steps": steps,
            "num_diffusion_steps": diffusion_steps,
            "guidance_scale": guidance,
            "motion_flow": motion,
            "negative_prompt": negative,
        },
    )
    made = make_sample(request, Progress().notice)
    if profile:
        print(made.profile_text(), file=sys.stderr)
    print_line(f"{made.path}: {made.frames} frame{'s' if made.frames > 1 else ''}, {made.seconds:.1f} s")
    return ExitCode.PASS
