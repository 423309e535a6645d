"""Agreement of two judges who each say yes or not: its share, and Cohen's kappa. Pure functions of arrays.

Kappa = (observed - expected) / (1 - expected), where judges who answer at random, each with its own share of yes, agree
in the ``expected`` share of cases. Cohen 1960, Educational and Psychological Measurement 20. Questions about one prompt
are not independent, so intervals are over prompts (:mod:`nova_bench.core.intervals`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nova_bench.core.intervals import BOOTSTRAP_FROM, Method, cluster_means
from nova_bench.core.statistics import ROUNDING, percentile_interval, resampled_means

if TYPE_CHECKING:
    import numpy as np

    from nova_bench.config.suite import StatisticsSpec


@dataclass(frozen=True)
class Agreement:
    """How far two judges agree on one kind of question: in ``share`` of the ``answers``; None without any.

    ``first_yes`` and ``second_yes`` are the judges' shares of yes. ``kappa`` is None if both judges always give the
    same answer. A missing interval's reason is its method.
    """

    answers: int
    share: float | None
    interval: tuple[float, float] | None
    method: Method
    prompts: int
    first_yes: float | None
    second_yes: float | None
    kappa: float | None
    kappa_interval: tuple[float, float] | None


def agreements(
    answers: np.ndarray, first: np.ndarray, second: np.ndarray, both: np.ndarray, statistics: StatisticsSpec
) -> list[Agreement]:
    """One result per column of [prompts, columns]: counts of answers, of each judge's yes, and of equal answers."""
    import numpy as np

    columns = answers.shape[1]
    sums = np.concatenate([both, first, second], axis=1).astype(np.float64)
    weights = np.tile(answers.astype(np.float64), 3)
    means = cluster_means(sums[None], weights[None], statistics)
    intervals = means.intervals(statistics.confidence).within([(0.0, 1.0)] * (3 * columns))
    kappa = _kappa(means.value)
    drawn = _kappa(resampled_means(sums, weights, statistics.resamples, statistics.seed))
    found = []
    for column in range(columns):
        prompts = int(intervals.clusters[column])
        within = None
        if prompts >= BOOTSTRAP_FROM and not np.isnan(kappa[column]):
            low, high = percentile_interval(drawn[:, [column]], statistics.confidence, prompts)
            within = _pair(low[0], high[0])
        found.append(
            Agreement(
                answers=int(answers[:, column].sum()),
                share=_known(means.value[column]),
                interval=_pair(intervals.low[column], intervals.high[column]),
                method=intervals.methods[column],
                prompts=prompts,
                first_yes=_known(means.value[columns + column]),
                second_yes=_known(means.value[2 * columns + column]),
                kappa=_known(kappa[column]),
                kappa_interval=within,
            )
        )
    return found


def _kappa(shares: np.ndarray) -> np.ndarray:
    """From shares of equal answers, of the first judge's yes and of the second's, side by side in the last axis."""
    import numpy as np

    both, first, second = np.split(shares, 3, axis=-1)
    expected = first * second + (1 - first) * (1 - second)
    beyond = np.where(np.abs(both - expected) <= ROUNDING, 0.0, both - expected)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(1 - expected > ROUNDING, beyond / (1 - expected), np.nan)


def _known(value: float) -> float | None:
    return None if value != value else float(value)


def _pair(low: float, high: float) -> tuple[float, float] | None:
    return None if low != low or high != high else (float(low), float(high))
