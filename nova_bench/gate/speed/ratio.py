"""From the times of pairs to a ratio, its interval and a verdict: the rule of metrics, on logarithms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nova_bench.gate.statistics.decision import ALPHA, Finding, decide
from nova_bench.gate.statistics.paired import Paired


@dataclass(frozen=True)
class Ratio:
    """Time of B by time of A. ``low`` and ``high`` are None where too few pairs say nothing.

    ``detectable`` is the smallest ratio above 1 that would be detected with 80 % power. ``finding`` is the comparison
    of the log ratios behind it, oriented so that negative is slower.
    """

    value: float
    low: float | None
    high: float | None
    detectable: float | None
    finding: Finding


def ratio_of(a: Sequence[float], b: Sequence[float], margin_percent: float) -> Ratio:
    """Compare the seconds of pairs; each pair's two calls followed one another.

    What slows the machine for longer than a pair cancels in its ratio, and a log ratio is as likely positive as
    negative if the sides are equal: it is what the sign flips flip.
    """
    import numpy as np

    logs = np.log(np.asarray(a, dtype=float)) - np.log(np.asarray(b, dtype=float))
    paired = Paired(
        differences=logs[:, None],
        shares=np.full((len(logs), 1), 1 / len(logs)),
        slopes=np.ones((1, 1)),
        binary=np.zeros(1, dtype=bool),
        samples=np.ones((len(logs), 1)),
        gains=np.zeros((len(logs), 1)),
        losses=np.zeros((len(logs), 1)),
        spread=np.full(1, np.nan),
        gating=np.ones(1, dtype=bool),
    )
    (found,) = decide(paired, np.array([math.log1p(margin_percent / 100)]), ALPHA)
    return Ratio(
        value=math.exp(-found.estimate),
        low=_ratio(found.high),
        high=_ratio(found.low),
        detectable=_ratio(-found.detectable),
        finding=found,
    )


def _ratio(log: float) -> float | None:
    """The ratio of an oriented log ratio; None if it is infinite, or too large for a number."""
    return math.exp(-log) if math.isfinite(log) and -log < math.log(1e300) else None
