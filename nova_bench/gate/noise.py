"""The floor of a comparison (`--noise`): how much each metric moves between seeds of one and the same checkpoint."""

from __future__ import annotations

from collections.abc import Mapping

from nova_bench.config.suite import GateSpec, Suite
from nova_bench.core.progress import Progress
from nova_bench.gate.compare import Options, compare_sides
from nova_bench.gate.operands import measured_part
from nova_bench.gate.side import Side
from nova_bench.gate.verdict_file import Noise, VerdictFile
from nova_bench.pipeline.plan import part_of_plan
from nova_bench.pipeline.run import plan_suite
from nova_bench.store import Store


def with_noise(file: VerdictFile, noise: Mapping[str, Noise]) -> VerdictFile:
    """The file with each metric's noise."""
    metrics = tuple(metric.model_copy(update={"noise": noise.get(metric.metric)}) for metric in file.metrics)
    return file.model_copy(update={"metrics": metrics})


def noise_of(
    suite: Suite, side: Side, gate: GateSpec, seeds: int, store: Store, progress: Progress
) -> dict[str, Noise]:
    """Metric -> its spread between the suite's seed and ``seeds`` others, on the side's prompts."""
    noise: dict[str, Noise] = {}
    used = [suite.seed]
    for offset in range(1, seeds + 1):
        other = suite.model_copy(update={"seed": suite.seed + offset})
        used.append(other.seed)
        progress.say(f"noise: seed {other.seed}")
        plan, adapter = plan_suite(other, store, None, progress)
        part = part_of_plan(plan, lambda unit: unit.sample_index < side.counts.get(unit.prompt_id, 0))
        again = measured_part(part, adapter, store, progress)
        for metric in compare_sides(side, again, Options(gate)).metrics:
            if metric.difference is None or metric.low is None or metric.high is None:
                continue
            before = noise.get(metric.metric)
            noise[metric.metric] = Noise(
                difference=max(abs(metric.difference), before.difference if before else 0.0),
                reach=max((metric.high - metric.low) / 2, before.reach if before else 0.0),
                seeds=tuple(used),
            )
    return noise
