"""`--budget`: the largest part of the prompts that fits into a time, from stored timings, and the power that it has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nova_bench.config.suite import GateSpec
from nova_bench.core.errors import UserError
from nova_bench.gate.margins import margin_of
from nova_bench.gate.side import Side
from nova_bench.gate.statistics.looks import nested_order
from nova_bench.gate.statistics.power import family_quantile, power_against_margin
from nova_bench.models.base import ModelAdapter
from nova_bench.pipeline.plan import Plan, part_of_plan
from nova_bench.pipeline.preview import duration, preview_plan
from nova_bench.store import Status, Store

if TYPE_CHECKING:
    import numpy as np

LEAST = 8
"""Fewer prompts say nothing."""


def affordable(
    plan: Plan, prompts: Sequence[str], old: Side, gate: GateSpec, store: Store, adapter: ModelAdapter, budget: float
) -> tuple[list[str], str]:
    """As many of ``prompts`` (ids) as ``budget`` seconds suffice for, with each metric's share, and a line about it.

    UserError if the store has no timings yet, or if the budget is too short for :data:`LEAST` prompts.
    """
    import numpy as np

    nested = nested_order(metrics_of(old, prompts), np.random.default_rng(0))
    order = [prompts[position] for position in nested]
    seconds = _seconds(plan, order, store, adapter)
    if seconds is None:
        raise UserError(
            f"--budget: {store.root.name} has no timings of this model and these scorers yet",
            "run the check once without --budget, or `run SUITE --limit 8`",
        )
    low, high = 0, len(order)
    while low < high:
        middle = (low + high + 1) // 2
        found = _seconds(plan, order[:middle], store, adapter)
        low, high = (middle, high) if found is not None and found <= budget else (low, middle - 1)
    if low < min(LEAST, len(order)):
        raise UserError(
            f"--budget {budget:g} s is enough for {low} of {len(order)} prompts; all take {duration(seconds)}",
            f"give more time; at least {LEAST} prompts are needed",
        )
    power = _power(old, gate, low)
    time = duration(_seconds(plan, order[:low], store, adapter))
    return order[:low], (
        f"budget {budget:g} s: {low} of {len(order)} prompts, about {time}"
        + (f"; probability to find a loss of the margin, or to pass without one: {power}" if power else "")
    )


def metrics_of(side: Side, prompts: Sequence[str]) -> np.ndarray:
    """Which prompt (id) has a value in which metric of a side, bool [prompts, metrics]."""
    import numpy as np

    return np.array(
        [
            [
                any(s.status == Status.OK for s in metric.samples.get(prompt, {}).values())
                for metric in side.metrics.values()
            ]
            for prompt in prompts
        ],
        dtype=bool,
    ).reshape(len(prompts), -1)


def _seconds(plan: Plan, prompts: Sequence[str], store: Store, adapter: ModelAdapter) -> float | None:
    wanted = frozenset(prompts)
    part = part_of_plan(plan, lambda unit: unit.prompt_id in wanted)
    return preview_plan(part, store, adapter.digest()).seconds


def _power(old: Side, gate: GateSpec, prompts: int) -> str:
    """For each metric that decides, the probability that its interval tells a loss of the margin from none.

    The spread of differences isn't known before B is measured; that of independent samples, the square root of 2 times
    A's spread between prompts, is the most that is likely.
    """
    import numpy as np

    parts = []
    names = gate.metrics or [name for name in old.metrics if name not in old.filters]
    quantile = family_quantile(len(names), gate.alpha)
    for name in names:
        metric = old.metrics.get(name)
        if metric is None:
            continue
        means = [
            float(np.mean(values))
            for samples in metric.samples.values()
            if (values := [sample.value for sample in samples.values() if sample.value is not None])
        ]
        if len(means) < 2:
            continue
        margin, _ = margin_of(gate, metric, np.array(means))
        count = max(2, round(prompts * len(means) / max(len(old.prompts), 1)))
        error = np.std(means, ddof=1) * (2 / count) ** 0.5
        power = float(power_against_margin(error, np.array(margin), quantile))
        parts.append(f"{name} {power:.0%}")
    return ", ".join(parts)
