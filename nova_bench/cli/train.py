"""`nova_bench train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nova_bench.cli import options
from nova_bench.config import ranges
from nova_bench.core.device import resolve_device
from nova_bench.core.errors import ExitCode
from nova_bench.core.progress import Progress
from nova_bench.core.standard_streams import print_line
from nova_bench.train.load import load_trainings

TrainingName = Annotated[
    str, typer.Argument(metavar="TRAINING", help="A training file, or the name of one in suites/train/.")
]
RunsFolder = Annotated[Path, typer.Option("--out", help="Folder of training runs; each has a folder of its own there.")]
Threads = Annotated[
    int,
    typer.Option(
        "--threads",
        min=1,
        max=ranges.WORKERS,
        help="CPU threads of each training. Two are 1.5 times as fast alone, a third as fast beside a busy program.",
    ),
]

Card = Annotated[
    int | None,
    typer.Option(
        "--card",
        min=1,
        max=ranges.SAMPLES,
        help="Put pictures and measurements on this many test prompts into the checkpoint.",
    ),
]
Workers = Annotated[
    int,
    typer.Option("--workers", min=1, max=ranges.WORKERS, help="Trainings of a sweep that run at once."),
]
Records = Annotated[
    Path | None, typer.Option("--records", help="Copy each training's record (losses, norms) to this folder.")
]


def train(
    training: TrainingName,
    set_: options.Assignments = None,
    device: options.Device = "auto",
    threads: Threads = 1,
    out: RunsFolder = Path("runs/train"),
    workers: Workers = 2,
    records: Records = None,
    card: Card = None,
    quiet: options.Quiet = False,
    suites: options.Suites = None,
) -> ExitCode:
    """Train a model, or all of a sweep, from a YAML file. Repeat the command to continue an interrupted training."""
    specs = load_trainings(training, set_ or ())
    from nova_bench.train.sweep import copy_records, train_all

    trained = train_all(specs, out, resolve_device(device or "auto"), workers, threads, quiet)
    if records:
        copy_records(trained, records)
    for spec, done in zip(specs, trained, strict=True):
        if done.diverged:
            print_line(f"diverged: {done.folder} (step {done.diverged.step}: the {done.diverged.what})")
            continue
        if card:
            from nova_bench.train.card import make_card

            make_card(spec, done.checkpoint, card, Progress(quiet))
        print_line(f"checkpoint: {done.checkpoint}")
    return ExitCode.PASS
