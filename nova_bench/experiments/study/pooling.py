"""Pool arms into settings of a study: means over seeds, intervals, paired differences. Pure functions.

Arrays are [seeds, prompts, metrics], prompts in one order for all: ``sums`` of value * weight and ``weights`` of the
samples of each prompt, weight 0 where a prompt has no score. A setting with one training is pooled from one seed.

A mean over seeds is uncertain because there are few prompts and because there are few trainings;
:mod:`nova_bench.core.intervals` describes how both enter the interval. With one seed it covers only prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nova_bench.core.intervals import ClusterMeans, Intervals, cluster_means
from nova_bench.report.naming import interval_fields

if TYPE_CHECKING:
    import numpy as np

    from nova_bench.config.suite import StatisticsSpec
    from nova_bench.core.intervals import Add


@dataclass(frozen=True)
class Pooled:
    """Value and interval of every column; NaN if there is none."""

    value: np.ndarray
    intervals: Intervals

    @property
    def low(self) -> np.ndarray:
        """Lower ends, float64 [columns]."""
        return self.intervals.low

    @property
    def high(self) -> np.ndarray:
        """Upper ends, float64 [columns]."""
        return self.intervals.high

    def cell(self, place: int, equal: str = "") -> dict[str, Any]:
        """A table cell's fields about the interval of one column."""
        found, interval = self.intervals, (float(self.low[place]), float(self.high[place]))
        return interval_fields(interval, found.methods[place], int(found.clusters[place]), equal)

    def within(self, ranges: Sequence[tuple[float | None, float | None]]) -> Pooled:
        """Cut off intervals at the lowest and highest value of each column; None if there is no limit."""
        return replace(self, intervals=self.intervals.within(ranges))


def pooled(
    sums: np.ndarray,
    weights: np.ndarray,
    statistics: StatisticsSpec,
    binary: Sequence[bool] | None = None,
    add: Add | None = None,
) -> Pooled:
    """Mean over seeds of the seeds' means. A seed without a score of a metric is left out of that metric.

    No interval if a seed has fewer than two prompts with the metric.
    """
    return _pooled(cluster_means(sums, weights, statistics, binary, add), statistics)


def difference(
    sums: np.ndarray,
    weights: np.ndarray,
    other_sums: np.ndarray,
    other_weights: np.ndarray,
    statistics: StatisticsSpec,
    add: Add | None = None,
) -> tuple[Pooled, np.ndarray]:
    """One setting minus another over the prompts that all seeds of both have; and which these are, [prompts, metrics].

    Both use the same resampled prompts, so what they have in common cancels out. Their seeds are independent trainings:
    each side adds its variance with its own degrees of freedom.
    """
    here = _present(weights) & _present(other_weights)
    mine = cluster_means(sums * here, weights * here, statistics, add=add)
    other = cluster_means(other_sums * here, other_weights * here, statistics, add=add)
    return _pooled(mine.minus(other), statistics), here


def _pooled(means: ClusterMeans, statistics: StatisticsSpec) -> Pooled:
    return Pooled(means.value, means.intervals(statistics.confidence))


def _present(weights: np.ndarray) -> np.ndarray:
    """Prompts present in all seeds that have the metric at all, bool [prompts, metrics]."""
    import numpy as np

    known = np.asarray(weights.any(axis=1))
    return np.asarray(((weights > 0) | ~known[:, None]).all(axis=0) & known.any(axis=0))
