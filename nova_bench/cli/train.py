"""`nova_bench train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nova_bench.cli import options
from nova_bench.errors import ExitCode

TrainingName = Annotated[
    str, typer.Argument(metavar="TRAINING", help="A training file, or the name of one in suites/train/.")
]
RunsFolder = Annotated[Path, typer.Option("--out", help="Folder of training runs; each has a folder of its own there.")]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads; torch's own choice where absent.")]

Card = Annotated[
    int | None,
    typer.Option("--card", min=1, help="Put pictures and measurements on this many test prompts into the checkpoint."),
]


def train(
    training: TrainingName,
    set_: options.Assignments = None,
    device: options.Device = "auto",
    threads: Threads = None,
    out: RunsFolder = Path("runs/train"),
    card: Card = None,
    quiet: options.Quiet = False,
) -> ExitCode:
    """Train a model from a YAML file. Interrupted or killed, the same command continues."""
    from nova_bench.train.load import load_training

    spec = load_training(training, set_ or ())
    import torch

    from nova_bench.device import resolve_device
    from nova_bench.progress import Progress
    from nova_bench.train.run import train as train_all

    progress = Progress(quiet)
    if threads:
        torch.set_num_threads(threads)
    trained = train_all(spec, out, resolve_device(device), progress)
    if card:
        from nova_bench.train.card import make_card

        make_card(spec, trained.checkpoint, card, progress)
    print(f"checkpoint: {trained.checkpoint}")
    return ExitCode.PASS
