"""From the times of two sides to a ratio, its interval and a verdict: the rule of metrics, on logarithms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nova_bench.gate.statistics.decision import ALPHA, Finding, decide
from nova_bench.gate.statistics.paired import Paired


@dataclass(frozen=True)
class Ratio:
    """Time of B by time of A. ``low`` and ``high`` are None where too few starts say nothing.

    ``detectable`` is the smallest ratio above 1 that would be detected with 80 % power. ``finding`` is the comparison
    of the log ratios behind it, oriented so that negative is slower; its prompts are starts, its samples pairs.
    """

    value: float
    low: float | None
    high: float | None
    detectable: float | None
    finding: Finding


def ratio_of(a: Sequence[Sequence[float]], b: Sequence[Sequence[float]], margin_percent: float) -> Ratio:
    """Compare the seconds of pairs, given for each start; a pair's two calls followed one another.

    What slows the machine for longer than a pair cancels in its ratio. What makes a process slow for as long as it
    lives, such as its core or its place in memory, doesn't: the independent observations are the starts, as prompts are
    in a benchmark. A start's mean log ratio is as likely positive as negative if the sides are equal, and is what sign
    flips flip.
    """
    import numpy as np

    starts = [np.log(np.asarray(ours)) - np.log(np.asarray(theirs)) for ours, theirs in zip(a, b, strict=True)]
    pairs = np.array([len(logs) for logs in starts], dtype=float)
    freedom = (pairs - 1).sum()
    squares = sum(float(((logs - logs.mean()) ** 2).sum()) for logs in starts)
    paired = Paired(
        differences=np.array([[logs.mean()] for logs in starts]),
        shares=np.full((len(starts), 1), 1 / len(starts)),
        slopes=np.ones((1, 1)),
        binary=np.zeros(1, dtype=bool),
        samples=pairs[:, None],
        gains=np.zeros((len(starts), 1)),
        losses=np.zeros((len(starts), 1)),
        spread=np.array([squares / freedom if freedom else np.nan]),
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
