"""Chooses the confidence interval of a mean over prompts, for everything that shows one. Pure functions of arrays.

Samples of one prompt are correlated, so the C prompts ("clusters") are the independent units:

- 0/1 metrics, as declared by their scorer: Wilson's interval with the effective number of samples, which is the number
  of samples divided by the design effect (the number of prompts if all are equal). The design effect is an estimate.
  Student's quantile with C - 1 degrees of freedom therefore replaces the normal one, and the fewer prompts deviate from
  the rest, the more the estimate is drawn towards its maximum. Without these two corrections, coverage falls to 85 %
  (8 prompts) and 88 % (75 prompts of 5 samples) for a share of 0.98.
- Other metrics with fewer than 8 prompts: Student's t with C - 1 degrees of freedom, on the linearized weighted mean.
- Other metrics with 8 or more prompts: the expanded percentile interval of the cluster bootstrap.
- Several trainings: the variances between trainings and between prompts add up; Student's t, or Wilson's interval, with
  Satterthwaite's degrees of freedom.
- No interval from one prompt, or if all prompts are equal: no spread says nothing about other prompts.

Columns that follow linearly from several metrics (VBench's total) use the number of prompts of the part that has the
fewest. A 0/1 part without any spread adds the reach of its own interval, so that ten of ten doesn't count as certain.

``benchmarks/interval_coverage.py`` measures how often such intervals contain the true value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from nova_bench.core.statistics import ROUNDING, percentile_interval, resampled_means, student_reach, wilson_interval

if TYPE_CHECKING:
    import numpy as np

    from nova_bench.config.suite import StatisticsSpec

    Add = Callable[[np.ndarray], np.ndarray]
    """Float64 [..., metrics] -> [..., columns]: the metrics, then the columns derived linearly; NaN gives NaN."""

BOOTSTRAP_FROM = 8
"""The bootstrap is used from this number of clusters on."""


class Method(StrEnum):
    """How an interval was computed, or why there is none."""

    T = "cluster t"
    BOOTSTRAP = "cluster bootstrap"
    WILSON = "Wilson"
    WELCH = "Welch's t"
    EQUAL = "all equal"
    ONE = "one prompt"
    STATED = "its samples don't give the value"
    NOTHING = ""


@dataclass(frozen=True)
class Intervals:
    """An interval per column: bounds float64 [columns] (NaN if there is none), methods, and numbers of prompts."""

    low: np.ndarray
    high: np.ndarray
    methods: tuple[Method, ...]
    clusters: np.ndarray

    def within(self, ranges: Sequence[tuple[float | None, float | None]]) -> Intervals:
        """Clip to the lowest and highest value that each column can have; None if it has no limit.

        Student's t knows no such limits, and the true value can't be beyond them.
        """
        import numpy as np

        lowest = [-np.inf if low is None else low for low, _ in ranges]
        highest = [np.inf if high is None else high for _, high in ranges]
        return replace(self, low=np.maximum(self.low, lowest), high=np.minimum(self.high, highest))


@dataclass(frozen=True)
class ClusterMeans:
    """Means over prompts and what their intervals are computed from. Arrays end in [columns] unless stated otherwise.

    ``influence`` [prompts, columns] is how much each prompt moves the mean: (sum - mean * weight) / total weight.
    ``clusters`` counts prompts. ``trainings`` holds means [trainings, columns], one array per independent set of
    trainings. ``draw`` returns the bootstrap's means [resamples, columns]. Four arrays cover the metrics only,
    [metrics]: ``binary`` (0/1 metrics), ``samples`` (their number), ``least`` (Kish's number of prompts, a lower bound
    on the number of independent samples), and ``deviating`` (prompts with a sample that differs from the majority).
    ``slopes`` [metrics, columns] is the change of a column per change of a metric. ``scale`` is the magnitude of the
    prompts' means: differences far smaller than it count as equal.
    """

    value: np.ndarray
    influence: np.ndarray
    clusters: np.ndarray
    trainings: tuple[np.ndarray, ...]
    draw: Callable[[], np.ndarray]
    binary: np.ndarray
    samples: np.ndarray
    least: np.ndarray
    deviating: np.ndarray
    slopes: np.ndarray
    scale: np.ndarray

    def intervals(self, confidence: float) -> Intervals:
        """The interval of each column."""
        import numpy as np

        prompts, metrics = self._prompts(), len(self.binary)
        between = [_spread(means, self.scale) for means in self.trainings]
        total, freedom = _pooled([(prompts, self.clusters - 1), *between])
        methods = np.full(total.shape, Method.BOOTSTRAP, dtype=object)
        methods[self.clusters < BOOTSTRAP_FROM] = Method.T
        methods[total > prompts] = Method.WELCH
        methods[total == 0] = Method.EQUAL
        methods[:metrics][self.binary] = Method.WILSON
        methods[self.clusters < 2] = Method.ONE
        methods[np.isnan(self.value)] = Method.NOTHING

        low, high = np.full_like(total, np.nan), np.full_like(total, np.nan)
        wilson = np.flatnonzero(methods == Method.WILSON)
        if len(wilson):
            low[wilson], high[wilson] = self._wilson(wilson, total, prompts, freedom, confidence)
        below, above = self._unseen(low, high, prompts)
        # A composite of parts that are all equal takes its interval from its 0/1 parts.
        methods[(methods == Method.EQUAL) & (below + above > 0)] = Method.WILSON
        rest = np.flatnonzero([method in (Method.T, Method.WELCH) for method in methods])
        if len(rest):
            reach = student_reach(total[rest], freedom[rest], confidence)
            low[rest], high[rest] = self.value[rest] - reach, self.value[rest] + reach
        bootstrapped = methods == Method.BOOTSTRAP
        if bootstrapped.any():
            drawn = self.draw()
            for clusters in np.unique(self.clusters[bootstrapped]):
                at = np.flatnonzero(bootstrapped & (self.clusters == clusters))
                low[at], high[at] = percentile_interval(drawn[:, at], confidence, int(clusters))
        wider = below + above > 0
        low = np.where(wider, self.value - np.hypot(np.nan_to_num(self.value - low), below), low)
        high = np.where(wider, self.value + np.hypot(np.nan_to_num(high - self.value), above), high)
        return Intervals(low, high, tuple(methods), self.clusters)

    def minus(self, other: ClusterMeans) -> ClusterMeans:
        """The difference from another mean over the same prompts, drawn together; it is never a share."""
        import numpy as np

        return replace(
            self,
            value=self.value - other.value,
            influence=self.influence - other.influence,
            clusters=np.minimum(self.clusters, other.clusters),
            trainings=(*self.trainings, *other.trainings),
            draw=lambda: self.draw() - other.draw(),
            binary=np.zeros_like(self.binary),
            scale=np.maximum(self.scale, other.scale),
        )

    def _prompts(self) -> np.ndarray:
        """Variance of each mean due to the limited number of prompts; exactly 0 if all prompts are equal."""
        import numpy as np

        squares = (self.influence**2).sum(axis=0)
        many = np.maximum(self.clusters, 2)
        tiny = (ROUNDING * self.scale) ** 2 / many
        return np.where(squares <= tiny, 0.0, squares) * many / (many - 1)

    def _wilson(
        self, at: np.ndarray, total: np.ndarray, prompts: np.ndarray, freedom: np.ndarray, confidence: float
    ) -> tuple[np.ndarray, np.ndarray]:
        import numpy as np
        from scipy.stats import t

        share = np.clip(self.value[at], 0.0, 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            # Few deviating prompts say little about how alike their samples are. The maximum likeness, at which a
            # prompt counts as one sample, is therefore weighted like one such prompt.
            alike, deviating = share * (1 - share) / (self.least[at] - 1), self.deviating[at]
            variance = total[at] + (np.maximum(alike, prompts[at]) - prompts[at]) / (deviating + 1)
            # With one sample per prompt the variance is share (1 - share) / (prompts - 1), which gives their number.
            count = share * (1 - share) / variance + 1
        # Chance differences between prompts can't make samples worth less than prompts; differing trainings can.
        least = np.where(total[at] > prompts[at], 1.0, self.least[at])
        count = np.clip(count, least, np.maximum(self.samples[at], least))
        count = np.where((share == 0) | (share == 1), self.clusters[at], count)
        return wilson_interval(share, count, t.ppf((1 + confidence) / 2, freedom[at]))

    def _unseen(self, low: np.ndarray, high: np.ndarray, prompts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How far a composite's bounds move due to its 0/1 metrics that are all equal; 0 for metrics."""
        import numpy as np

        metrics = len(self.binary)
        equal = self.binary & (prompts[:metrics] == 0)
        reach = np.where(equal, [self.value[:metrics] - low[:metrics], high[:metrics] - self.value[:metrics]], 0.0)
        rising = self.slopes > 0
        both = []
        for same, opposed in (reach, reach[::-1]):
            squares = (self.slopes * np.where(rising, same[:, None], opposed[:, None])) ** 2
            both.append(np.where(np.arange(len(self.value)) < metrics, 0.0, np.sqrt(squares.sum(axis=0))))
        return both[0], both[1]


def cluster_means(
    sums: np.ndarray,
    weights: np.ndarray,
    statistics: StatisticsSpec,
    binary: Sequence[bool] | None = None,
    add: Add | None = None,
) -> ClusterMeans:
    """Means over trainings of weighted means over prompts, from [trainings, prompts, metrics].

    ``sums`` are sum(value * weight) and ``weights`` sum(weight) of a prompt's samples; 0 if a prompt has no score.
    A training without a score in a column is left out of that column. Resamples draw the same prompts for all trainings
    and metrics: trainings share the prompts, so their difficulty doesn't average out. ``binary`` marks the 0/1 metrics.
    ``add`` is applied to each training's means and to each resample, so a composite keeps its parts' correlation.
    """
    import numpy as np

    add = add or (lambda means: means)
    trainings, prompts, metrics = sums.shape
    with np.errstate(invalid="ignore", divide="ignore"):
        totals = weights.sum(axis=1)
        means = sums.sum(axis=1) / totals
        influence = (sums - means[:, None] * weights) / totals[:, None]
        overall, summed = weights.sum(axis=0), sums.sum(axis=0)
        least = overall.sum(axis=0) ** 2 / (overall**2).sum(axis=0)
        largest = np.nan_to_num(np.abs(sums / weights), posinf=0.0).max(axis=(0, 1), initial=0.0)
    counts = (weights > 0).sum(axis=1)
    counts = np.where(counts > 0, counts, prompts).min(axis=0) * (counts > 0).any(axis=0)
    needs = np.isnan(add(np.where(np.eye(metrics, dtype=bool), np.nan, 0.0)))
    zero = add(np.zeros(metrics))
    slopes = add(np.eye(metrics)) - zero

    def draw() -> np.ndarray:
        flat_sums, flat_weights = (
            array.transpose(1, 0, 2).reshape(prompts, trainings * metrics) for array in (sums, weights)
        )
        drawn = resampled_means(flat_sums, flat_weights, statistics.resamples, statistics.seed)
        return mean_of_known(add(drawn.reshape(-1, trainings, metrics)), axis=1)

    return ClusterMeans(
        value=mean_of_known(add(means), axis=0),
        influence=mean_of_known(add(influence) - zero, axis=0),
        clusters=np.array([counts[parts].min() for parts in needs.T], dtype=int),
        trainings=(add(means),),
        draw=draw,
        binary=np.zeros(metrics, dtype=bool) if binary is None else np.asarray(binary, dtype=bool),
        samples=overall.sum(axis=0),
        least=least,
        deviating=np.minimum((summed > 0).sum(axis=0), (summed < overall).sum(axis=0)),
        slopes=slopes,
        scale=largest @ np.abs(slopes),
    )


def mean_of_known(values: np.ndarray, axis: int) -> np.ndarray:
    """Mean along an axis, ignoring NaN; NaN if there is nothing else."""
    import numpy as np

    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0.0).sum(axis=axis) / known.sum(axis=axis)


def _spread(means: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Variance of the mean over trainings [trainings, columns] and its degrees of freedom; 0 for a single training."""
    import numpy as np

    counts = (~np.isnan(means)).sum(axis=0)
    deviations = np.where(np.isnan(means), 0.0, means - mean_of_known(means, axis=0))
    squares = (deviations**2).sum(axis=0)
    squares = np.where(squares <= (ROUNDING * scale) ** 2, 0.0, squares)
    return squares / np.maximum(counts - 1, 1) / np.maximum(counts, 1), counts - 1


def _pooled(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Sum of independent variances and Satterthwaite's degrees of freedom; the first part's if the others are 0."""
    import numpy as np

    total = sum((variance for variance, _ in parts), start=np.zeros(()))
    with np.errstate(invalid="ignore", divide="ignore"):
        pooled = total**2 / sum(variance**2 / np.maximum(freedom, 1) for variance, freedom in parts)
    variance, freedom = parts[0]
    return total, np.where(total <= variance, np.maximum(freedom, 1), pooled)
