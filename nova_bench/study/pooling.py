"""Settings of a study from the arms they pool: means over seeds, intervals, paired differences. Pure functions.

Arrays are [seeds, prompts, metrics], prompts in one order for all: ``sums`` of value * weight and ``weights`` of the
samples of each prompt, weight 0 where a prompt has no score. A setting with one training is pooled from one seed.

A mean over seeds is uncertain because there are few prompts and because there are few trainings. The prompts' part is
the percentile bootstrap over prompts of :mod:`nova_bench.stats`, with the same prompts drawn for every seed (they share
them, so what is hard about a prompt doesn't average out). The seeds' part is Student's t for the mean of the seeds'
means. Being independent they are added in quadrature, on each side. With one seed the interval speaks of prompts only.

Columns that follow from several metrics (VBench's total) are added by a function ``add``, float64 [..., metrics] ->
[..., columns], which keeps the metrics in front and gives NaN where a part is NaN. It is applied to each seed's means
and to each resample, so that an added column's interval knows how its parts vary together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nova_bench.stats import percentile_interval, resampled_means

if TYPE_CHECKING:
    import numpy as np

    from nova_bench.spec import StatisticsSpec

    Add = Callable[[np.ndarray], np.ndarray]


def _nothing(means: np.ndarray) -> np.ndarray:
    return means


@dataclass(frozen=True)
class Pooled:
    """Value and interval of every column, float64 [columns]; NaN where there is none."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


def pooled(sums: np.ndarray, weights: np.ndarray, statistics: StatisticsSpec, add: Add = _nothing) -> Pooled:
    """Mean over seeds of the seeds' means. A seed that has no score of a metric is left out there.

    No interval where a seed has fewer than two prompts with the metric.
    """
    means = add(_seed_means(sums, weights))
    enough = _enough(weights, add)
    drawn = _mean_of_known(_resampled(sums, weights, statistics, add), axis=1)
    return _interval(
        _mean_of_known(means, axis=0), drawn, enough, _seed_spread(means, statistics.confidence), statistics
    )


def difference(
    sums: np.ndarray,
    weights: np.ndarray,
    other_sums: np.ndarray,
    other_weights: np.ndarray,
    statistics: StatisticsSpec,
    add: Add = _nothing,
) -> tuple[Pooled, np.ndarray]:
    """One setting minus another over the prompts that all seeds of both have, and which those are, [prompts, metrics].

    Both see the same drawn prompts, so what they have in common cancels out. The seeds of the two are independent
    trainings: their parts of the interval are added in quadrature, each with its own degrees of freedom.
    """
    import numpy as np

    here = _present(weights) & _present(other_weights)
    both = [np.concatenate(pair) * here for pair in ((sums, other_sums), (weights, other_weights))]
    means, drawn = add(_seed_means(*both)), _resampled(*both, statistics, add)
    count = len(sums)
    value = _mean_of_known(means[:count], axis=0) - _mean_of_known(means[count:], axis=0)
    drawn = _mean_of_known(drawn[:, :count], axis=1) - _mean_of_known(drawn[:, count:], axis=1)
    spread = np.hypot(*(_seed_spread(part, statistics.confidence) for part in (means[:count], means[count:])))
    return _interval(value, drawn, _enough(both[1], add), spread, statistics), here


def _resampled(sums: np.ndarray, weights: np.ndarray, statistics: StatisticsSpec, add: Add) -> np.ndarray:
    """Each seed's columns in bootstrap resamples, [resamples, seeds, columns]; the same prompts for all seeds."""
    seeds, prompts, metrics = sums.shape
    flat = (array.transpose(1, 0, 2).reshape(prompts, seeds * metrics) for array in (sums, weights))
    means = resampled_means(*flat, statistics.resamples, statistics.seed)
    return add(means.reshape(statistics.resamples, seeds, metrics))


def _enough(weights: np.ndarray, add: Add) -> np.ndarray:
    """Which columns every seed that has them has on two prompts or more, bool [columns]."""
    import numpy as np

    known = weights.any(axis=1)
    enough = (((weights > 0).sum(axis=1) >= 2) | ~known).all(axis=0) & known.any(axis=0)
    return ~np.isnan(add(np.where(enough, 0.0, np.nan)))


def _seed_means(sums: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Each seed's weighted mean over prompts, [seeds, metrics]."""
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


def _seed_spread(means: np.ndarray, confidence: float) -> np.ndarray:
    """Half-width of Student's interval for the mean over seeds, from [seeds, columns]; 0 for a single seed."""
    import numpy as np
    from scipy.stats import t

    counts = (~np.isnan(means)).sum(axis=0)
    many = counts >= 2
    deviations = np.where(np.isnan(means), 0.0, means - _mean_of_known(means, axis=0))
    counts = np.where(many, counts, 2)
    error = np.sqrt((deviations**2).sum(axis=0) / (counts - 1) / counts)
    return np.where(many, t.ppf((1 + confidence) / 2, counts - 1) * error, 0.0)


def _interval(
    value: np.ndarray, drawn: np.ndarray, enough: np.ndarray, spread: np.ndarray, statistics: StatisticsSpec
) -> Pooled:
    """The percentile interval of resampled columns [resamples, columns], widened by the seeds' part."""
    import numpy as np

    low, high = (np.where(enough, part, np.nan) for part in percentile_interval(drawn, statistics.confidence))
    below, above = (np.hypot(np.clip(part, 0, None), spread) for part in (value - low, high - value))
    # Unchanged where there is one seed: the very interval that the arm's own report shows.
    alone = spread == 0
    return Pooled(value, np.where(alone, low, value - below), np.where(alone, high, value + above))
