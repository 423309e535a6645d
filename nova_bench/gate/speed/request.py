"""What `compare --speed` is asked for: two sides, what they generate, and how often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from nova_bench.config.suite import Suite
from nova_bench.core.errors import UserError
from nova_bench.core.notices import unheard
from nova_bench.experiments.base import Request
from nova_bench.experiments.benchmark.load import load_benchmark
from nova_bench.experiments.latency.load import load_latency
from nova_bench.experiments.latency.spec import Setting
from nova_bench.experiments.registry import BENCHMARK, kind_of
from nova_bench.models.checkpoints import locate_checkpoint
from nova_bench.models.nova import NovaSpec

Clock = Literal["wall", "processor"]
SUITE = "latency"
"""The suite whose setting is timed if none is named."""
LATENCY = "latency"
STARTS = 10
PAIRS = 5
SECONDS = 600.0
STALL_SECONDS = 600.0
MARGIN_PERCENT = 5.0
WARMUP = 2
"""Untimed calls of each side."""


@dataclass(frozen=True)
class SpeedRequest:
    """One call of `compare --speed`.

    ``a`` and ``b`` are models as `--model` names them. ``request`` has the suite whose setting is timed (empty: SUITE),
    its changes and the device. ``python_a`` and ``python_b`` are the interpreters of other builds. Both sides start
    afresh ``starts`` times and are timed in ``pairs`` pairs each time, or until ``seconds`` are over. A side hangs if
    it doesn't answer for ``stall_seconds``. ``clock``: what a user waits for, or the processor time of the worker's
    process, which other processes disturb less but which doesn't count waiting.
    """

    a: str
    b: str
    request: Request
    python_a: str | None = None
    python_b: str | None = None
    starts: int = STARTS
    pairs: int = PAIRS
    seconds: float = SECONDS
    margin_percent: float = MARGIN_PERCENT
    stall_seconds: float = STALL_SECONDS
    strict: bool = False
    clock: Clock = "wall"


@dataclass(frozen=True)
class Subject:
    """What one side times."""

    label: str
    model: NovaSpec
    setting: Setting
    device: str

    @property
    def job(self) -> dict[str, Any]:
        """The worker's job. Defaults are left out: another build may not know every field."""
        return {
            "model": self.model.model_dump(mode="json", exclude_defaults=True),
            "setting": self.setting.model_dump(mode="json", exclude_defaults=True),
            "device": self.device,
            "warmup": WARMUP,
        }


def subject_of(model: str, request: Request, notice: Callable[..., None] = unheard) -> Subject:
    """Read the suite with that model. UserError if it can't be timed, MissingAsset if its checkpoint isn't here."""
    asked = replace(request, suite=request.suite or SUITE, model=model)
    kind = kind_of(asked.suite)
    if kind == LATENCY:
        suite = load_latency(asked)
        subject = Subject(suite.nova.label or model, suite.nova, suite.setting, suite.execution.device)
    elif kind == BENCHMARK:
        subject = _of_benchmark(model, load_benchmark(asked, notice))
    else:
        raise UserError(f"{asked.suite}: a {kind} states no setting to time", "name a benchmark or a latency suite")
    if not subject.model.random_weights:
        locate_checkpoint(subject.model)
    return subject


def _of_benchmark(model: str, suite: Suite) -> Subject:
    """A batch of a benchmark's samples. What its suite leaves to the model is as in :class:`Setting`."""
    if not isinstance(suite.model, NovaSpec):
        raise UserError(f"{model}: not a model that can be timed", "a NOVA checkpoint, or NAME@random")
    sampling = suite.sampling.model_dump(include=set(Setting.model_fields), exclude_none=True)
    if suite.sampling.width and suite.sampling.height:
        sampling["size"] = f"{suite.sampling.width}x{suite.sampling.height}"
    setting = Setting(
        **sampling,
        batch_size=suite.execution.batch_size,
        dtype=suite.model.dtype,
        vae_batch_size=suite.model.vae_batch_size,
    )
    return Subject(suite.model.label or model, suite.model, setting, suite.execution.device)
