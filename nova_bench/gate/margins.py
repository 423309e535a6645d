"""The margin of a metric: the loss that counts as worse, from the suite or by a rule of thumb in the metric's unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_bench.config.suite import GateSpec
from nova_bench.gate.side import MetricData
from nova_bench.protocols.base import Composite

if TYPE_CHECKING:
    import numpy as np

BINARY = 0.05
DECIBEL = 0.5
RANGE_SHARE = 0.02
DEVIATIONS = 0.2


def margin_of(gate: GateSpec, metric: MetricData, values: np.ndarray) -> tuple[float, str]:
    """(margin, the rule it follows). ``values`` are side A's prompt means; they decide only if nothing else does."""
    if metric.name in gate.margins:
        return gate.margins[metric.name], "suite"
    if metric.binary:
        return BINARY, "default: 5 percentage points"
    if metric.unit == "dB":
        return DECIBEL, "default: 0.5 dB"
    low, high = metric.range
    if low is not None and high is not None:
        return RANGE_SHARE * (high - low), "default: 2 % of the range"
    deviation = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return DEVIATIONS * deviation or abs(float(values.mean())) * RANGE_SHARE or RANGE_SHARE, (
        "default: a fifth of the standard deviation between prompts of A"
        if deviation
        else "default: 2 % of the value of A"
    )


def composite_margin(gate: GateSpec, composite: Composite) -> tuple[float, str]:
    """(margin, the rule it follows) of a composite."""
    if composite.name in gate.margins:
        return gate.margins[composite.name], "suite"
    low, high = composite.range
    if low is not None and high is not None:
        return RANGE_SHARE / 2 * (high - low), "default: 1 % of the range"
    return RANGE_SHARE / 2, "default: 0.01"
