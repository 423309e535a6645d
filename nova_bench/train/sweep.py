"""Run several trainings, one by one or a few at a time; finished trainings are kept."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from nova_bench.core.atomic_files import write_with
from nova_bench.core.progress import Progress
from nova_bench.execute.base import Executor, LostWorker
from nova_bench.execute.crew import Crew
from nova_bench.execute.inline import InlineExecutor
from nova_bench.execute.local import LocalExecutor
from nova_bench.kernels.half import multiplies
from nova_bench.train.record import RECORD, read_record
from nova_bench.train.run import Trained, encode_shared_clips, train
from nova_bench.train.spec import TrainSpec
from nova_bench.train.state import read_log


@dataclass(frozen=True)
class Training:
    """Trains the given specifications; is sent to worker processes."""

    runs: Path
    device: str
    quiet: bool

    def __call__(self, specs: Sequence[TrainSpec]) -> Iterator[Trained]:
        for spec in specs:
            yield train(spec, self.runs, self.device, Progress(self.quiet))


def train_all(
    specs: Sequence[TrainSpec], runs: Path, device: str, workers: int, threads: int, quiet: bool
) -> list[Trained]:
    """Train all specifications, ``workers`` at a time with ``threads`` each, and report the time left after each.

    Raises the errors of :func:`nova_bench.train.run.train`; finished trainings are kept. If a training loses two
    workers, LostWorker is raised once the others are finished.
    """
    torch.set_num_threads(threads)
    progress = Progress(quiet)
    if _slow_products(specs, device):
        progress.say("this CPU has no bfloat16 products: precision bf16 takes longer than fp32")
    workers = min(workers, len(specs))
    encode_shared_clips(specs, runs, device, progress)
    executor: Executor = LocalExecutor(workers, 1, threads=threads) if workers > 1 else InlineExecutor()
    trained: dict[str, Trained] = {}
    if len(specs) > 1:
        progress.say(f"{len(specs)} trainings, {time_left(specs, runs, workers)}")
    losses: list[LostWorker] = []
    work = Training(runs, device, quiet or workers > 1)
    with executor, closing(executor.map(work, specs, _lost, Crew(progress.warn))) as results:
        for done in results:
            if isinstance(done, LostWorker):
                losses.append(done)
                continue
            trained[done.folder.name] = done
            if len(specs) > 1:
                left = "" if len(trained) == len(specs) else f", {time_left(specs, runs, workers)}"
                what = f"diverged at step {done.diverged.step}" if done.diverged else "trained"
                progress.say(f"{done.folder.name}: {what} ({len(trained)} of {len(specs)}{left})")
    if losses:
        raise losses[0]
    return [trained[spec.name] for spec in specs]


def _slow_products(specs: Sequence[TrainSpec], device: str) -> bool:
    stages = [
        stage
        for spec in specs
        for stage in (
            spec.autoencoder.optimization,
            spec.autoencoder.decoder_optimization,
            spec.transformer.optimization,
        )
    ]
    asked = any(stage is not None and stage.precision == "bf16" for stage in stages)
    return asked and torch.device(device).type == "cpu" and not multiplies(torch.bfloat16)


def _lost(spec: TrainSpec, problem: LostWorker) -> Trained | LostWorker:
    return problem


def time_left(specs: Sequence[TrainSpec], runs: Path, workers: int) -> str:
    """Estimate the remaining time from the steps in the logs so far."""
    done, left, seconds = 0, 0, 0.0
    for spec in specs:
        log = read_log(runs / spec.name / "transformer.jsonl")
        steps = log[-1]["step"] if log else 0
        done += steps
        seconds += log[-1]["seconds"] if log else 0.0
        if not _diverged(runs / spec.name):
            left += max(0, spec.transformer.optimization.steps - steps)
    if not left:
        return "all of them finished"
    if not done:
        return "time left: known when the first is finished"
    return f"about {max(1, round(seconds / done * left / workers / 60))} min left"


def _diverged(run: Path) -> bool:
    return (run / RECORD).is_file() and read_record(run).diverged is not None


def copy_records(trained: Sequence[Trained], folder: Path) -> None:
    """Copy every run's record to ``folder``/NAME.json."""
    folder.mkdir(parents=True, exist_ok=True)
    for run in trained:
        write_with(folder / f"{run.folder.name}.json", partial(shutil.copyfile, run.folder / RECORD))
