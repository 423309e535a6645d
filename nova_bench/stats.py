"""Confidence intervals by cluster bootstrap. Pure functions of arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

# Resampled counts are held as one (CHUNK, clusters) array at a time: 2,000 x 946 float64 is 15 MB.
CHUNK = 2_000


def cluster_bootstrap(
    sums: np.ndarray, weights: np.ndarray, resamples: int, confidence: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile intervals of weighted means, resampling whole clusters (prompts) with replacement.

    ``sums`` and ``weights`` are [clusters, metrics]: sum(value * weight) and sum(weight) of each cluster; a metric
    that a cluster doesn't have has weight 0 there. The mean of metric m is sum(sums[:, m]) / sum(weights[:, m]).
    Samples of one prompt are correlated, so resampling single samples would make intervals too narrow.

    Returns (low, high), each [metrics]. NaN where fewer than two clusters have the metric: one prompt says nothing
    about the spread between prompts. The same seed gives the same resamples for every metric, so metrics are
    comparable. Efron & Tibshirani 1993, ch. 13; clusters: Davison & Hinkley 1997, sec. 3.8.
    """
    import numpy as np

    clusters, metrics = sums.shape
    enough = (weights > 0).sum(axis=0) >= 2
    if clusters < 2 or not enough.any():
        return np.full(metrics, np.nan), np.full(metrics, np.nan)
    means = resampled_means(sums, weights, resamples, seed)
    tail = (1 - confidence) / 2
    low, high = (quantile(means, share) for share in (tail, 1 - tail))
    return np.where(enough, low, np.nan), np.where(enough, high, np.nan)


def resampled_means(sums: np.ndarray, weights: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """[resamples, metrics]: every metric's weighted mean in each resample of the clusters, the same draws for all.

    Arguments as for :func:`cluster_bootstrap`. NaN where no drawn cluster has the metric.
    """
    import numpy as np

    clusters, metrics = sums.shape
    generator = np.random.default_rng(seed)
    means = np.empty((resamples, metrics))
    for start in range(0, resamples, CHUNK):
        count = min(CHUNK, resamples - start)
        drawn = generator.integers(clusters, size=(count, clusters))
        drawn += np.arange(count)[:, None] * clusters
        counts = np.bincount(drawn.ravel(), minlength=count * clusters).reshape(count, clusters).astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            means[start : start + count] = (counts @ sums) / (counts @ weights)
    return means


def quantile(means: np.ndarray, share: float) -> np.ndarray:
    """Quantile per column. A resample in which no cluster has a metric (NaN) is left out for that metric."""
    import numpy as np

    if np.isnan(means).any():
        # An all-NaN column belongs to a metric that too few clusters have; its interval is masked by the caller.
        filled = np.where(np.isnan(means).all(axis=0), 0.0, means)
        return np.nanquantile(filled, share, axis=0)
    return np.quantile(means, share, axis=0)


def student_interval(values: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(mean, low, high) over the first axis, for values that may be taken for normal: a few repeated trainings.

    Student's t interval of the mean; low and high are NaN for a single value.
    """
    import numpy as np
    from scipy.stats import t

    count, mean = len(values), values.mean(axis=0)
    if count < 2:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    reach = t.ppf((1 + confidence) / 2, count - 1) * values.std(axis=0, ddof=1) / count**0.5
    return mean, mean - reach, mean + reach
