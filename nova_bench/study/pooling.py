"""Settings of a study from the arms they pool: means over seeds, intervals, paired differences. Pure functions.

Arrays are [seeds, prompts, metrics], prompts in one order for all: ``sums`` of value * weight and ``weights`` of the
samples of each prompt, weight 0 where a prompt has no score. A setting with one training is pooled from one seed.

A mean over seeds is uncertain because there are few prompts and because there are few trainings. The prompts' part is
the percentile bootstrap over prompts of :mod:`nova_bench.stats`, with the same prompts drawn for every seed (they share
them, so what is hard about a prompt doesn't average out). The seeds' part is Student's t for the mean of the seeds'
means. Being independent they are added in quadrature, on each side. With one seed the interval speaks of prompts only.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nova_bench.stats import percentile_interval, resampled_means

if TYPE_CHECKING:
    import numpy as np

    from nova_bench.spec import StatisticsSpec


@dataclass(frozen=True)
class Pooled:
    """Value and interval of every metric, float64 [metrics]; NaN where there is none."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


def pooled(sums: np.ndarray, weights: np.ndarray, statistics: StatisticsSpec) -> Pooled:
    """Mean over seeds of the seeds' means. A seed that has no score of a metric is left out there.

    No interval where a seed has fewer than two prompts with the metric.
    """
    import numpy as np

    seeds, prompts, metrics = sums.shape
    value, drawn = _means(sums, weights), np.full((statistics.resamples, metrics), np.nan)
    known = weights.any(axis=1)
    enough = (((weights > 0).sum(axis=1) >= 2) | ~known).all(axis=0) & known.any(axis=0)
    if prompts >= 2 and enough.any():
        flat = (array.transpose(1, 0, 2).reshape(prompts, seeds * metrics) for array in (sums, weights))
        resampled = resampled_means(*flat, statistics.resamples, statistics.seed)
        drawn = _mean_of_known(resampled.reshape(statistics.resamples, seeds, metrics), axis=1)
    low, high = percentile_interval(drawn, statistics.confidence)
    spread = _seed_spread(sums, weights, statistics.confidence)
    return _widened(value, np.where(enough, low, np.nan), np.where(enough, high, np.nan), spread)


def difference(
    sums: np.ndarray,
    weights: np.ndarray,
    other_sums: np.ndarray,
    other_weights: np.ndarray,
    statistics: StatisticsSpec,
) -> tuple[Pooled, np.ndarray]:
    """One setting minus another over the prompts that all seeds of both have, and the number of those, [metrics].

    Both see the same drawn prompts, so what they have in common cancels out. The seeds of the two are independent
    trainings: their parts of the interval are added in quadrature, each with its own degrees of freedom.
    """
    import numpy as np

    metrics = sums.shape[2]
    here = _present(weights) & _present(other_weights)  # [prompts, metrics]
    counts = here.sum(axis=0)
    value, low, high = (np.full(metrics, np.nan) for _ in range(3))
    spread = np.zeros(metrics)
    for columns in _alike(here):
        prompts = here[:, columns[0]]
        mine, theirs = (
            tuple(array[:, prompts][:, :, columns] for array in pair)
            for pair in ((sums, weights), (other_sums, other_weights))
        )
        if not prompts.any():
            continue
        value[columns] = _means(*mine) - _means(*theirs)
        spread[columns] = np.hypot(*(_seed_spread(*pair, statistics.confidence) for pair in (mine, theirs)))
        if prompts.sum() >= 2:
            both = [np.concatenate(pair) for pair in zip(mine, theirs, strict=True)]
            seeds, size, width = both[0].shape
            flat = (array.transpose(1, 0, 2).reshape(size, seeds * width) for array in both)
            resampled = resampled_means(*flat, statistics.resamples, statistics.seed).reshape(-1, seeds, width)
            count = len(mine[0])
            drawn = _mean_of_known(resampled[:, :count], axis=1) - _mean_of_known(resampled[:, count:], axis=1)
            low[columns], high[columns] = percentile_interval(drawn, statistics.confidence)
    return _widened(value, low, high, spread), counts


def _means(sums: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean over seeds of each seed's weighted mean over prompts, [metrics]."""
    return _mean_of_known(_seed_means(sums, weights), axis=0)


def _seed_means(sums: np.ndarray, weights: np.ndarray) -> np.ndarray:
    import numpy as np

    with np.errstate(invalid="ignore", divide="ignore"):
        return sums.sum(axis=1) / weights.sum(axis=1)


def _mean_of_known(values: np.ndarray, axis: int) -> np.ndarray:
    """Mean along an axis without the NaN; NaN where nothing else is there."""
    import numpy as np

    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0.0).sum(axis=axis) / known.sum(axis=axis)


def _present(weights: np.ndarray) -> np.ndarray:
    """Which prompts all seeds have that have the metric at all, bool [prompts, metrics]."""
    known = weights.any(axis=1)
    return ((weights > 0) | ~known[:, None]).all(axis=0) & known.any(axis=0)


def _alike(here: np.ndarray) -> list[list[int]]:
    """Metrics that the same prompts have, so that each set of prompts is resampled once."""
    groups: dict[bytes, list[int]] = defaultdict(list)
    for metric in range(here.shape[1]):
        groups[here[:, metric].tobytes()].append(metric)
    return list(groups.values())


def _seed_spread(sums: np.ndarray, weights: np.ndarray, confidence: float) -> np.ndarray:
    """Half-width of Student's interval for the mean over seeds, [metrics]; 0 for a single seed."""
    import numpy as np
    from scipy.stats import t

    means = _seed_means(sums, weights)
    counts = (~np.isnan(means)).sum(axis=0)
    many = counts >= 2
    deviations = np.where(np.isnan(means), 0.0, means - _mean_of_known(means, axis=0))
    counts = np.where(many, counts, 2)
    error = np.sqrt((deviations**2).sum(axis=0) / (counts - 1) / counts)
    return np.where(many, t.ppf((1 + confidence) / 2, counts - 1) * error, 0.0)


def _widened(value: np.ndarray, low: np.ndarray, high: np.ndarray, spread: np.ndarray) -> Pooled:
    import numpy as np

    below, above = (np.hypot(np.clip(part, 0, None), spread) for part in (value - low, high - value))
    # Unchanged where there is one seed: the very interval that the arm's own report shows.
    alone = spread == 0
    return Pooled(value, np.where(alone, low, value - below), np.where(alone, high, value + above))
