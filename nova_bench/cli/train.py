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
    int | None,
    typer.Option("--threads", min=1, max=ranges.WORKERS, help="CPU threads. Default: torch's choice."),
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
    typer.Option(
        "--workers", min=1, max=ranges.WORKERS, help="Trainings of a sweep that run at once, sharing the cores."
    ),
]
Records = Annotated[
    Path | None, typer.Option("--records", help="Copy each training's record (losses, norms) to this folder.")
]


def train(
    training: TrainingName,
    set_: options.Assignments = None,
    device: options.Device = "auto",
    threads: Threads = None,
    out: RunsFolder = Path("runs/train"),
    workers: Workers = 1,
    records: Records = None,
    card: Card = None,
    quiet: options.Quiet = False,
    suites: options.Suites = None,
) -> ExitCode:
    """Train a model, or all of a sweep, from a YAML file. Repeat the command to continue an interrupted training."""
    specs = load_trainings(training, set_ or ())
    import torch

    from nova_bench.train.sweep import copy_records, train_all

    if threads:
        torch.set_num_threads(threads)
    trained = train_all(specs, out, resolve_device(device or "auto"), workers, quiet)
    if records:
        copy_records(trained, records)
    for spec, done in zip(specs, trained, strict=True):
        if card:
            from nova_bench.train.card import make_card

            make_card(spec, done.checkpoint, card, Progress(quiet))
        print_line(f"checkpoint: {done.checkpoint}")
    return ExitCode.PASS
