"""`nova_bench shapes`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nova_bench.cli import options
from nova_bench.cli.ending import ends_with_code
from nova_bench.config import ranges
from nova_bench.core.errors import ExitCode
from nova_bench.core.progress import Progress
from nova_bench.core.standard_streams import print_line
from nova_bench.video import read_clip

app = typer.Typer(
    help="The shapes world: captioned videos with known ground truth, and a judge for them.", no_args_is_help=True
)


class Split(StrEnum):
    """Splits of the world."""

    train = "train"
    val = "val"
    test = "test"


class Wording(StrEnum):
    """Level of detail of captions."""

    dense = "dense"
    short = "short"


@app.command("export")
@ends_with_code
def export_files(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Output folder; created if missing.")],
    split: Annotated[Split, typer.Option("--split", help="test: combinations that training never shows.")] = Split.test,
    count: Annotated[int, typer.Option("--count", min=1, max=ranges.SAMPLES, help="Different prompts.")] = 200,
    seed: Annotated[int, typer.Option("--seed", callback=options.seed_of_64_bits, help="Seed of the world.")] = 0,
    frames: Annotated[int, typer.Option("--frames", min=1, max=ranges.FRAMES, help="Frames of a reference clip.")] = 17,
    captions: Annotated[Wording, typer.Option("--captions", help="How much prompts say.")] = Wording.dense,
) -> ExitCode:
    """Write files for suites: prompts (`prompts: {file: ...}`), first frames, reference clips, questions."""
    from nova_bench.shapes.export import export

    export(folder, split.value, count, seed, frames, captions.value, Progress().notice)
    for name, what in {
        "prompts.jsonl": "text-to-video prompts",
        "image_prompts.jsonl": "image-to-video prompts with first frames and reference clips",
        "questions.csv": "questions in DPG-Bench's columns",
    }.items():
        print_line(f"{folder / name}: {what}")
    return ExitCode.PASS


@app.command("see")
@ends_with_code
def see_video(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="A video or image of the shapes world.")],
    prompt: Annotated[str | None, typer.Option("--prompt", help="A caption to check it against.")] = None,
) -> ExitCode:
    """Show what the judge sees in a video, and whether that matches a prompt."""
    from nova_bench.shapes import parse_caption
    from nova_bench.shapes.judge import checks, see
    from nova_bench.shapes.scene import CAPTION_FRAMES

    said = parse_caption(prompt) if prompt else None
    seen = see(read_clip(video).frames[:CAPTION_FRAMES].numpy())
    for thing in seen.things:
        motion = " ".join(filter(None, (thing.motion.name, thing.motion.speed))) if thing.motion else "motion unknown"
        print(f"{thing.size} {thing.color} {thing.shape}: {motion}")
    print(f"background: {seen.background}{' gradient' if seen.gradient else ''}")
    for name, right in (checks(said, seen) if said else {}).items():
        print(f"{name}: {'unknown' if right is None else 'as prompted' if right else 'not as prompted'}")
    return ExitCode.PASS
