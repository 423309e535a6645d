"""Parts of confidence intervals: bootstrap, percentiles, Student's t, Wilson, medians. Pure functions of arrays.

:mod:`nova_bench.core.intervals` decides which of them a mean over prompts gets.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

# Resampled counts are held as one (CHUNK, clusters) array at a time: 2,000 x 946 float64 is 15 MB.
CHUNK = 2_000
ROUNDING = 1e-12
"""Relative difference that the order of a sum may cause; smaller differences count as equal."""


def resampled_means(sums: np.ndarray, weights: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Weighted means of bootstrap resamples of whole clusters (prompts), [resamples, metrics].

    ``sums`` and ``weights`` are [clusters, metrics]: sum(value * weight) and sum(weight) of each cluster; if a cluster
    lacks a metric, its weight is 0 there. The mean of metric m is sum(sums[:, m]) / sum(weights[:, m]).
    Samples of one prompt are correlated, so resampling single samples would make intervals too narrow.

    A column is NaN if fewer than two clusters have the metric: one prompt says nothing about the spread between
    prompts. A single NaN is a resample in which no cluster has it. A resample draws the same clusters for every metric,
    so metrics are comparable, and values computed from several metrics keep their correlation.
    Efron & Tibshirani 1993, ch. 13; clusters: Davison & Hinkley 1997, sec. 3.8.
    """
    import numpy as np

    clusters, metrics = sums.shape
    enough = (weights > 0).sum(axis=0) >= 2
    if clusters < 2 or not enough.any():
        return np.full((resamples, metrics), np.nan)
    generator = np.random.default_rng(seed)
    means = np.empty((resamples, metrics))
    for start in range(0, resamples, CHUNK):
        count = min(CHUNK, resamples - start)
        drawn = generator.integers(clusters, size=(count, clusters))
        drawn += np.arange(count)[:, None] * clusters
        counts = np.bincount(drawn.ravel(), minlength=count * clusters).reshape(count, clusters).astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            means[start : start + count] = (counts @ sums) / (counts @ weights)
    means[:, ~enough] = np.nan
    return means


def percentile_interval(means: np.ndarray, confidence: float, clusters: int) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) per column of resampled means [resamples, metrics]; NaN if a column is all NaN.

    The expanded percentile interval uses percentiles farther out than the confidence level, to correct what the plain
    ones miss with few clusters: a factor of sqrt((n - 1) / n) in the spread, and Student's quantile for the normal's.
    A resample in which no cluster has a metric (NaN) is left out for it. Hesterberg 2015, The American Statistician 69.
    """
    from scipy.stats import norm, t

    tail = norm.cdf(t.ppf((1 - confidence) / 2, clusters - 1) * (clusters / (clusters - 1)) ** 0.5)
    return _quantile(means, tail), _quantile(means, 1 - tail)


def _quantile(means: np.ndarray, share: float) -> np.ndarray:
    import numpy as np

    if np.isnan(means).any():
        empty = np.isnan(means).all(axis=0)
        return np.where(empty, np.nan, np.nanquantile(np.where(empty, 0.0, means), share, axis=0))
    return np.quantile(means, share, axis=0)


def student_interval(values: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(mean, low, high) over the first axis, for values that may be assumed normal, such as a few repeated trainings.

    Student's t interval of the mean. Low and high are NaN for a single value and if all values are equal, which says
    nothing about how much others would differ.
    """
    import numpy as np

    count, mean = len(values), values.mean(axis=0)
    if count < 2:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    reach = student_reach(values.var(axis=0, ddof=1) / count, count - 1, confidence)
    equal = np.ptp(values, axis=0) <= ROUNDING * np.abs(values).max(axis=0)
    reach = np.where(equal, np.nan, reach)
    return mean, mean - reach, mean + reach


def smallest_visible(deviation: float, count: int, confidence: float, power: float = 0.8) -> float:
    """The mean that Student's interval of ``count`` values with this standard deviation excludes 0 for with ``power``.

    The power of the t test, averaged over the standard deviations that so few values can have (scipy's noncentral t
    fails for two). NaN for fewer than two values.
    """
    import numpy as np
    from scipy.optimize import brentq
    from scipy.stats import chi2, norm, t

    if count < 2:
        return float("nan")
    probabilities = (np.arange(10_000) + 0.5) / 10_000
    reach = t.ppf((1 + confidence) / 2, count - 1) * np.sqrt(chi2.ppf(probabilities, count - 1) / (count - 1))

    def excess(shift: float) -> float:
        return float(np.mean(norm.sf(reach - shift) + norm.cdf(-reach - shift))) - power

    return brentq(excess, 0.0, float(reach.max()) + 10) * deviation / count**0.5


def student_reach(variance: np.ndarray, freedom: np.ndarray | int, confidence: float) -> np.ndarray:
    """Half-width of Student's interval around a mean whose variance has ``freedom`` degrees of freedom."""
    from scipy.stats import t

    return t.ppf((1 + confidence) / 2, freedom) * variance**0.5


def wilson_interval(share: np.ndarray, count: np.ndarray, quantile: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(low, high): the shares p within ``quantile`` standard errors sqrt(p (1 - p) / count) of ``share``.

    ``count`` need not be a whole number: for correlated samples it is the equivalent number of independent ones.
    Wilson 1927; with such a count: Korn & Graubard 1998, Survey Methodology 24.
    """
    import numpy as np

    square = quantile**2 / count
    middle = (share + square / 2) / (1 + square)
    reach = np.sqrt(square * (share * (1 - share) + square / 4)) / (1 + square)
    # Rounding must not exclude the end point if all values are equal.
    return np.where(share <= 0, 0.0, middle - reach), np.where(share >= 1, 1.0, middle + reach)


def median_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float] | None:
    """Two of ``values`` (independent draws) that enclose their distribution's median with at least ``confidence``.

    None if even the lowest and highest don't: below six values at 95 %. Makes no assumption about the distribution.
    David & Nagaraja 2003, Order Statistics, sec. 7.1.
    """
    count, outside, tail = len(values), 0, 0.0
    while outside < count // 2 and (tail := tail + comb(count, outside) / 2**count) <= (1 - confidence) / 2:
        outside += 1
    ranked = sorted(values)
    return (ranked[outside - 1], ranked[count - outside]) if outside else None
