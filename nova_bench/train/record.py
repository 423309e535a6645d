"""The record of a training: its log, small enough to store with results. Needs no torch.

Losses and gradient norms of every step and the outputs of all blocks, to five significant digits: a few dozen
kilobytes for a thousand steps. Tables and curves of the ablations need only the records.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nova_bench import __version__
from nova_bench.config.fields import SpecModel
from nova_bench.core.atomic_files import write_atomic
from nova_bench.core.errors import MissingAsset, UserError
from nova_bench.train.spec import TrainSpec

RECORD = "record.json"
_DIGITS = 5


class BlockRecord(SpecModel):
    """The outputs of one block at each recorded step."""

    rms: tuple[float, ...]
    """Root mean square."""
    max: tuple[float, ...]
    """Largest magnitude."""


class HeldOutRecord(SpecModel):
    """Losses on unseen clips: for each clip, mask ratio and latent frame."""

    clips: int
    """Number of clips, the same ones for every model of a world."""
    num_frames: int | None = None
    """Frames of each; None: as many as in training."""
    extrapolation: str = "extend"
    """Rule for positions beyond the training length."""
    mask_ratios: tuple[float, ...]
    """Shares of masked tokens."""
    true_context: tuple[tuple[tuple[float, ...], ...], ...]
    """Given the true earlier frames; without temporal autoregression the true unmasked tokens of all frames."""
    own_context: tuple[tuple[tuple[float, ...], ...], ...] = ()
    """Given the frames that the model made itself, from the first one on; empty without temporal autoregression."""


class DivergenceRecord(SpecModel):
    """How a training ended early."""

    step: int
    """The step, from 1, whose loss or gradient wasn't finite."""
    what: str
    """Which of the two, and its value."""


class TrainingRecord(SpecModel):
    """The training of a transformer, step by step."""

    name: str
    """Name of the run."""
    title: str
    """What was trained."""
    seed: int
    """Its seed."""
    transformer: dict[str, Any]
    """The training file's section `transformer.config`: architecture and arrangement."""
    learning_rate: float | None = None
    """Peak learning rate; None in records of earlier versions."""
    diverged: DivergenceRecord | None = None
    """How training ended early; None if it went to its last step."""
    seconds: float
    """Wall time of all steps."""
    device: str
    """torch device."""
    nova_bench: str
    """Version that trained it."""
    losses: dict[str, tuple[float, ...]]
    """loss_t2i (first frames) and loss_i2i (the others), one value per step."""
    grad_norm: tuple[float, ...]
    """Norm of the whole gradient before clipping, one value per step."""
    recorded_steps: tuple[int, ...]
    """Steps, from 1, at which blocks were recorded."""
    blocks: dict[str, BlockRecord]
    """Outputs of each block: `video_encoder.blocks.0` (temporal), `image_encoder.blocks.0` (spatial), ..."""
    notices: tuple[str, ...] = ()
    """Notices about the data: captions that were cut."""
    held_out: HeldOutRecord | None = None
    """Losses on unseen clips; None if they weren't asked for, or in records of earlier versions."""


def make_record(
    spec: TrainSpec,
    log: Sequence[dict[str, Any]],
    device: str,
    notices: Sequence[str] = (),
    held_out: HeldOutRecord | None = None,
    diverged: DivergenceRecord | None = None,
) -> TrainingRecord:
    """Make the record of a finished training from the lines of its log."""
    losses: list[str] = [name for name in ("loss_t2i", "loss_i2i") if name in log[0]] or ["loss"]
    watched = [line for line in log if "activations" in line]
    names = list(watched[0]["activations"]) if watched else []
    return TrainingRecord(
        name=spec.name,
        title=spec.title,
        seed=spec.seed,
        transformer=spec.transformer.config,
        learning_rate=spec.transformer.optimization.learning_rate,
        diverged=diverged,
        seconds=round(log[-1]["seconds"], 1),
        device=device,
        nova_bench=__version__,
        losses={name: _short(line[name] for line in log) for name in losses},
        grad_norm=_short(line["grad_norm"] for line in log),
        recorded_steps=tuple(line["step"] for line in watched),
        notices=tuple(notices),
        held_out=held_out,
        blocks={
            name: BlockRecord(
                **{what: _short(line["activations"][name][what] for line in watched) for what in ("rms", "max")}
            )
            for name in names
        },
    )


def write_record(
    spec: TrainSpec,
    run: Path,
    device: str,
    notices: Sequence[str] = (),
    held_out: HeldOutRecord | None = None,
    diverged: DivergenceRecord | None = None,
) -> None:
    """Write a finished run's record into its folder."""
    from nova_bench.train.state import read_log

    record = make_record(spec, read_log(run / "transformer.jsonl"), device, notices, held_out, diverged)
    content = record.model_dump(mode="json", exclude_none=True)
    write_atomic(run / RECORD, (json.dumps(content, separators=(",", ":")) + "\n").encode())


def read_record(path: Path) -> TrainingRecord:
    """Read the record in a file or in the folder of a run.

    Raises MissingAsset if there is none and UserError if the file holds something else.
    """
    path = path / RECORD if os.path.isdir(path) else path
    if not os.path.isfile(path):
        raise MissingAsset(f"needs the record of a training {path}: no such file", "train it to the end")
    try:
        return TrainingRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path}: not the record of a training ({reason})", "nova_bench train writes one") from error


def shortened(values: Any) -> Any:
    """Nested lists of numbers with five significant digits."""
    return tuple(map(shortened, values)) if isinstance(values, list) else _short([values])[0]


def _short(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(float(f"{value:.{_DIGITS}g}") for value in values)
