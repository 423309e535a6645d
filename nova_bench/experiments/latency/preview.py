"""What a latency run would do, without doing it. Needs no torch."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from nova_bench.assets.cache import megabytes
from nova_bench.core.progress import Progress
from nova_bench.core.remembered_digests import digest_once
from nova_bench.experiments.base import Request
from nova_bench.experiments.latency.load import load_latency
from nova_bench.experiments.latency.plan import LatencyPlan, make_latency_plan
from nova_bench.experiments.latency.spec import LatencySuite, changed
from nova_bench.experiments.latency.store import measured_points
from nova_bench.models.checkpoints import missing_checkpoint
from nova_bench.models.random_weights import PARAMETERS, weight_bytes
from nova_bench.pipeline.run_time import Device
from nova_bench.store import Store


@dataclass(frozen=True)
class LatencyPreview:
    """Counts of measurements, and the checkpoint if it is missing."""

    plan: LatencyPlan
    done: int
    missing_assets: tuple[str, ...]

    @property
    def summary(self) -> str:
        """How much there is to do, in a few words."""
        return f"{len(self.plan.points)} measurements"

    def seconds_left(self, device: Device) -> float:
        """Not estimated: each measurement is tried with one short call first."""
        return 0.0

    def text(self) -> str:
        """For people."""
        suite, how = self.plan.suite, self.plan.suite.measure
        lines = [
            f"{suite.name}: measurements: {len(self.plan.points)}, of at most {how.warmup + how.repeats} calls each",
            f"rows: {'; '.join(row.label for row in suite.rows)}",
        ]
        if suite.nova.random_weights:
            lines += self._size()
        if suite.curves:
            lines.append(f"curves: {', '.join(curve.id for curve in suite.curves)}")
        if how.overhead is not None:
            lines.append(f"then calls with and without a stopwatch: at most about {how.overhead.seconds:g} s")
        lines.append(f"measured before by this code, on any machine: {self.done}")
        return "\n".join([*lines, *(f"missing: {line}" for line in self.missing_assets)])

    def _size(self) -> list[str]:
        """Size of a model with random weights, known before it is built."""
        name = self.plan.suite.nova.checkpoint
        assert name is not None, "random weights are those of a published checkpoint"
        parts = ", ".join(f"{part} {count:,}" for part, count in PARAMETERS[name].items())
        memory = (f"{megabytes(weight_bytes(name, dtype))} in {dtype}" for dtype in _precisions(self.plan.suite))
        return [f"parameters: {parts}", f"memory of the weights alone: {', '.join(memory)}"]


def _precisions(suite: LatencySuite) -> list[str]:
    """Precisions of the rows; ``auto`` gives both if the device isn't known yet."""
    device = suite.execution.device
    auto = ["float16", "float32"] if device == "auto" else ["float16" if device.startswith("cuda") else "float32"]
    asked = [changed(suite.setting, row.setting).dtype for row in suite.rows]
    return list(dict.fromkeys(name for dtype in asked for name in (auto if dtype == "auto" else [dtype])))


def preview_latency(request: Request, progress: Progress) -> LatencyPreview:
    """What a run of a suite of the kind "latency" would do. Writes nothing."""
    suite = load_latency(request)
    with ExitStack() as stack:
        store = stack.enter_context(Store.reader(request.store)) if Store.exists(request.store) else None
        plan = make_latency_plan(suite, store.file_digest if store else digest_once, limit=request.limit)
        done = sum(found.ok for found in measured_points(plan, store).values()) if store else 0
        return LatencyPreview(plan, done, tuple(missing_checkpoint(suite.nova)))
