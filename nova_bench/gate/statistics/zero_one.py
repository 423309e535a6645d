"""Intervals of the paired difference of a 0/1 metric, and McNemar's exact test.

Mean +- q standard errors has little or no width if few prompts differ, although other prompts might. The score interval
asks instead which true differences would make the observed one unlikely, each with its own standard error.

Several samples of a prompt are not independent. Tango's interval then gets the effective number of pairs: the number of
pairs divided by the design effect. Few differing prompts say little about how alike their samples are, so the fewer
differ, the more the design effect is drawn towards its maximum, at which a prompt counts as one sample
(:mod:`nova_bench.core.intervals` does the same for Wilson's interval).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from nova_bench.gate.statistics.paired import Paired

STEPS = 50
"""Halvings of the bracket around a bound, which leave 2^-50 of it."""
WHOLE_RANGE = 1e6
"""A quantile with which the interval is all of [-1, 1]; larger ones would overflow."""


def tango_interval(
    gains: np.ndarray, losses: np.ndarray, count: np.ndarray, quantile: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(low, high): the differences whose score statistic is within ``quantile`` of the observed (gains - losses).

    ``gains`` and ``losses`` are shares of all ``count`` pairs; ``count`` need not be a whole number. Tango 1998,
    Statistics in Medicine 17. Without any gain or loss the bounds are -+quantile^2 / (count + quantile^2).
    """
    high = _upper_bound(gains, losses, count, quantile)
    return -_upper_bound(losses, gains, count, quantile), high


def _upper_bound(gains: np.ndarray, losses: np.ndarray, count: np.ndarray, quantile: np.ndarray) -> np.ndarray:
    """Largest difference that is within ``quantile`` standard errors, by bisection between the estimate and 1."""
    import numpy as np

    estimate, square = gains - losses, np.minimum(quantile, WHOLE_RANGE) ** 2
    inside, outside = estimate, np.ones_like(estimate)
    for _ in range(STEPS):
        middle = (inside + outside) / 2
        # Most likely share of losses if the true difference is `middle`: the root of a quadratic equation.
        linear = (2 - estimate) * middle - gains - losses
        root = np.sqrt(np.maximum(linear**2 + 8 * losses * middle * (1 - middle), 0.0))
        loss = (root - linear) / 4
        variance = np.maximum(2 * loss + middle * (1 - middle), 0.0)
        within = count * (estimate - middle) ** 2 <= square * variance
        inside, outside = np.where(within, middle, inside), np.where(within, outside, middle)
    return inside


def effective_pairs(paired: Paired) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(gains, losses, count) of each metric, [..., M]: shares of the sample pairs, and their effective number.

    With one sample per prompt and equal shares the effective number is that of the prompts. It is never below Kish's
    number of prompts, nor above the number of sample pairs.
    """
    import numpy as np

    metrics = paired.metrics
    weights = paired.shares / np.maximum(paired.samples, 1)
    gains, losses = (paired.gains * weights).sum(axis=-2), (paired.losses * weights).sum(axis=-2)
    differing = (paired.gains + paired.losses > 0).sum(axis=-2)
    least = 1 / (paired.shares**2).sum(axis=0)
    of_pair = np.maximum(gains + losses - (gains - losses) ** 2, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        of_mean = paired.errors[..., :metrics] ** 2
        alike = of_pair / (least - 1)
        variance = of_mean + (np.maximum(alike, of_mean) - of_mean) / (differing + 1)
        count = np.where(of_pair > 0, of_pair / variance + 1, least)
    most = np.maximum(paired.samples.sum(axis=0), least)
    return gains, losses, np.clip(np.nan_to_num(count, nan=1.0), least, most)


def single_samples(paired: Paired) -> np.ndarray:
    """Metrics with at most one sample per prompt, bool [M]."""
    return paired.samples.max(axis=0) <= 1


def mcnemar_exact(gains: float, losses: float) -> float:
    """Two-sided p of McNemar's exact test: among pairs that differ, gains and losses are equally likely."""
    from scipy.stats import binomtest

    differing = round(gains + losses)
    return float(binomtest(round(gains), differing).pvalue) if differing else 1.0
