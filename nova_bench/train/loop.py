"""The training loop: one stage, step by step, with state that survives a kill.

The random numbers of a step depend only on the run's seed, the stage and the step. A resumed run therefore does the
same steps as an uninterrupted one, bit for bit on the CPU.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from nova_bench.core.errors import UserError
from nova_bench.core.identity import digest
from nova_bench.core.progress import Progress
from nova_bench.train.optimization import AveragedWeights, Optimizer, Precision
from nova_bench.train.record import DivergenceRecord
from nova_bench.train.spec import OptimizationSpec
from nova_bench.train.state import TrainingLog, load_state, save_state


@dataclass(frozen=True)
class Outcome:
    """What became of a stage."""

    steps: int
    """Steps done by this call."""
    diverged: DivergenceRecord | None = None
    """How it ended early, if it may."""


class Diverged(Exception):
    """A step whose loss or gradient isn't finite."""

    def __init__(self, step: int, what: str):
        super().__init__(f"the {what} at step {step}")
        self.record = DivergenceRecord(step=step, what=what)


@dataclass(frozen=True)
class Randomness:
    """The random numbers of one step."""

    numpy: np.random.RandomState
    torch: torch.Generator

    @classmethod
    def of_step(cls, seed: int, stage: str, step: int, device: str) -> Randomness:
        """Sources that depend only on these arguments."""
        value = int(digest("training step", [seed, stage, step])[:16], 16)
        return cls(np.random.RandomState(value % 2**32), torch.Generator(device).manual_seed(value % 2**63))


class Stage(Protocol):
    """What a stage trains, and on which data."""

    name: str
    module: nn.Module
    """Everything trainable."""
    blocks: dict[str, nn.Module]
    """Modules by name; their output norms are recorded."""
    outer: tuple[str, ...]
    """Parts of parameter names of the first and last layers, which Muon never updates."""

    def losses(self, step: int, random: Randomness) -> dict[str, Tensor]:
        """Scalars by name; ``loss`` is minimized."""


def train_stage(
    stage: Stage,
    spec: OptimizationSpec,
    seed: int,
    identity: dict[str, Any],
    folder: Path,
    device: str,
    progress: Progress,
) -> Outcome:
    """Train a stage to its last step and leave the averaged weights in its module.

    ``folder`` gets ``<stage>.pt`` (state) and ``<stage>.jsonl`` (log); an existing state is continued. Raises UserError
    if that state has another ``identity``. If loss or gradient isn't finite, that is the outcome where ``spec`` allows
    it, unless it is so from the first step on; otherwise UserError is raised.
    """
    path = folder / f"{stage.name}.pt"
    precision = Precision(spec.precision, device)
    optimizer = Optimizer(spec, stage.module, stage.outer, precision)
    average = AveragedWeights(stage.module, spec.ema_decay)
    state = load_state(path, identity)
    begin = 0
    if state is not None and state.get("diverged"):
        return Outcome(0, DivergenceRecord.model_validate_json(state["diverged"]))
    if state is not None:
        begin = state["step"]
        stage.module.load_state_dict(state["weights"])
        optimizer.load_state_dict(state["optimizer"])
        average.load(state["average"])
        progress.say(f"{stage.name}: continues after step {begin}")
    if begin < spec.steps:
        log = TrainingLog(folder / f"{stage.name}.jsonl", begin)
        spent = state["seconds"] if state is not None else 0.0
        started = time.perf_counter()
        stage.module.train()
        with closing(log), _without_subnormals(), progress.stage(stage.name, spec.steps - begin) as advance:
            for step in range(begin, spec.steps):
                random = Randomness.of_step(seed, stage.name, step, device)
                try:
                    record = _step(stage, spec, step, random, precision, optimizer)
                except Diverged as problem:
                    if not spec.may_diverge or step == 0:
                        raise UserError(f"{stage.name}: {problem}", "lower the learning rate, or use fp32") from problem
                    ended = {"identity": json.dumps(identity), "diverged": problem.record.model_dump_json()}
                    save_state(path, ended)
                    progress.say(f"{stage.name}: {problem}: diverged")
                    return Outcome(step - begin, problem.record)
                average.update(stage.module, step)
                seconds = spent + time.perf_counter() - started
                log.write(**record, seconds=round(seconds, 3))
                if (step + 1) % spec.checkpoint_every == 0 or step + 1 == spec.steps:
                    save_state(
                        path,
                        {
                            "identity": json.dumps(identity),
                            "step": step + 1,
                            "seconds": seconds,
                            "weights": stage.module.state_dict(),
                            "average": average.weights,
                            "optimizer": optimizer.state_dict(),
                        },
                    )
                advance(1)
    average.copy_to(stage.module)
    stage.module.eval()
    return Outcome(max(0, spec.steps - begin))


@contextmanager
def _without_subnormals() -> Iterator[None]:
    """Take numbers below 1e-38 as zero: where gradients vanish, moments become such numbers, which a CPU is slow at."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def _step(
    stage: Stage, spec: OptimizationSpec, step: int, random: Randomness, precision: Precision, optimizer: Optimizer
) -> dict[str, Any]:
    """One optimizer step; returns its log record. Raises Diverged."""
    norms: dict[str, dict[str, float]] = {}
    watched = stage.blocks if step % spec.activations_every == 0 else {}
    with _recorded(watched, norms), precision.autocast():
        losses = stage.losses(step, random)
    record = {"step": step + 1, **{name: value.item() for name, value in losses.items()}}
    if not np.isfinite(record["loss"]):
        raise Diverged(step + 1, f"loss is {record['loss']}")
    norm, rate = optimizer.step(losses["loss"], step)
    if not np.isfinite(norm) and not precision.scaler.is_enabled():  # a loss scale is found by trying
        raise Diverged(step + 1, f"gradient's norm is {norm}")
    record |= {"grad_norm": norm, "learning_rate": rate}
    return {**record, "activations": norms} if norms else record


@contextmanager
def _recorded(blocks: dict[str, nn.Module], norms: dict[str, dict[str, float]]) -> Iterator[None]:
    """Record root mean square and largest magnitude of each block's output (App. B plots the magnitude)."""

    def watch(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
            values = output.detach().float()
            norms[name] = {"rms": values.square().mean().sqrt().item(), "max": values.abs().max().item()}

        return hook

    handles = [block.register_forward_hook(watch(name)) for name, block in blocks.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
