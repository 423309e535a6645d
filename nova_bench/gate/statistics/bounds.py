"""The interval of each column's difference."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from nova_bench.gate.statistics.zero_one import WHOLE_RANGE, effective_pairs, single_samples, tango_interval

if TYPE_CHECKING:
    import numpy as np

    from nova_bench.gate.statistics.paired import Paired


class Method(StrEnum):
    """How an interval was computed."""

    MAX_T = "max-T"
    TANGO = "Tango"
    SCORE = "score bound"
    IDENTICAL = "identical"


@dataclass(frozen=True)
class Bounds:
    """Intervals [..., K]: bounds, methods, and the number of standard errors that they span."""

    low: np.ndarray
    high: np.ndarray
    methods: np.ndarray
    quantile: np.ndarray

    def including_zero(self, where: np.ndarray) -> Bounds:
        """Extend the intervals that ``where`` [..., K] marks up to 0.

        An interval must not exclude 0 if the test doesn't reject: with few differing prompts the exact test is the
        stricter of the two.
        """
        import numpy as np

        low = np.where(where, np.minimum(self.low, 0.0), self.low)
        return replace(self, low=low, high=np.where(where, np.maximum(self.high, 0.0), self.high))


def interval_bounds(paired: Paired, quantile: np.ndarray, alpha: float) -> Bounds:
    """The interval of each column from its quantile of max-T, [..., K], and the error probability ``alpha``.

    With few differing prompts the flips understate the quantile. It is therefore at least Student's with n - 1 degrees
    of freedom, or, for 0/1 metrics with one sample per prompt, the normal one. If no prompt differs, 0/1 metrics have
    the score interval of as many pairs as there are prompts, and other metrics are identical.
    """
    import numpy as np

    estimates = paired.estimates
    quantile = np.maximum(quantile, _least_quantile(paired, alpha))
    with np.errstate(invalid="ignore"):
        reach = np.where(np.isinf(quantile), np.inf, quantile * paired.errors)
    methods = np.full(reach.shape, Method.MAX_T, dtype=object)
    same = (paired.contributions == 0).all(axis=-2)
    methods[same] = Method.IDENTICAL
    below, above = np.where(same, 0.0, reach), np.where(same, 0.0, reach)
    at = np.flatnonzero(paired.binary)
    if len(at):
        gains, losses, count = (array[..., at] for array in effective_pairs(paired))
        low, high = tango_interval(gains, losses, count, quantile[..., at])
        below[..., at], above[..., at] = gains - losses - low, high - (gains - losses)
        methods[..., at] = np.where(gains + losses > 0, Method.TANGO, Method.SCORE)
        _widen_composites(paired, quantile, reach, below, above, methods)
    return Bounds(estimates - below, estimates + above, methods, quantile)


def _least_quantile(paired: Paired, alpha: float) -> np.ndarray:
    import numpy as np
    from scipy.stats import norm, t

    least = t.ppf(1 - alpha / 2, np.maximum(paired.prompts - 1, 1))
    normal = np.flatnonzero(paired.binary & single_samples(paired))
    least[normal] = norm.ppf(1 - alpha / 2)
    return least


def _widen_composites(
    paired: Paired,
    quantile: np.ndarray,
    reach: np.ndarray,
    below: np.ndarray,
    above: np.ndarray,
    methods: np.ndarray,
) -> None:
    """Add to a composite's reach, in squares, what its 0/1 parts' score intervals exceed q standard errors by.

    Otherwise a composite of 0/1 parts in which few prompts differ would count as almost certain.
    """
    import numpy as np

    quantile = np.minimum(quantile, WHOLE_RANGE)
    for column in range(paired.metrics, below.shape[-1]):
        parts = np.flatnonzero((paired.slopes[:, column] != 0) & paired.binary)
        slopes = paired.slopes[parts, column]
        scale = quantile[..., column, None] / quantile[..., parts]
        excess = []
        for bound in (below, above):
            beyond = np.maximum(bound[..., parts] ** 2 - reach[..., parts] ** 2, 0.0)
            excess.append(beyond * (scale * slopes) ** 2)
        down = np.where(slopes > 0, excess[0], excess[1]).sum(axis=-1)
        up = np.where(slopes > 0, excess[1], excess[0]).sum(axis=-1)
        below[..., column] = np.sqrt(below[..., column] ** 2 + down)
        above[..., column] = np.sqrt(above[..., column] ** 2 + up)
        identical = methods[..., column] == Method.IDENTICAL
        methods[..., column] = np.where(identical & (down + up > 0), Method.SCORE, methods[..., column])
