"""What a comparison can detect, and how many prompts or samples would decide it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_bench.gate.statistics.bounds import Bounds, Method

if TYPE_CHECKING:
    import numpy as np

    from nova_bench.gate.statistics.paired import Paired

POWER = 0.8


def detectable_difference(paired: Paired, bounds: Bounds) -> np.ndarray:
    """The smallest loss whose interval would exclude 0 with 80 % power, [K].

    (q + z) standard errors, where z is the normal distribution's 80th percentile. The standard error is the interval's
    reach divided by q, which also holds for score intervals.
    """
    import numpy as np
    from scipy.stats import norm

    reach = paired.estimates - bounds.low
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(reach), np.inf, reach * (1 + norm.ppf(POWER) / bounds.quantile))


def prompts_to_decide(paired: Paired, bounds: Bounds, margins: np.ndarray) -> np.ndarray:
    """How many prompts, in all, would decide if the difference stayed as it is, [K]; infinite if none would.

    An interval's reach shrinks with the root of the number of prompts n, the score bound q^2 / (n + q^2) of metrics in
    which no prompt differs almost with the number itself.
    """
    import numpy as np

    factor, reach = _excess_reach(paired, bounds, margins), paired.estimates - bounds.low
    bound = bounds.methods == Method.SCORE
    with np.errstate(invalid="ignore"):
        growth = np.where(bound, (factor - reach) / np.where(bound, 1 - reach, 1.0), factor**2)
    return np.floor(paired.prompts * growth) + 1


def samples_to_decide(paired: Paired, bounds: Bounds, margins: np.ndarray) -> np.ndarray:
    """How many samples per prompt, in all, would decide if the difference stayed as it is, [K]; infinite if none would.

    Only the variance within prompts shrinks with the number of samples. It is unknown, and the answer infinite, if no
    prompt has two samples. Metrics are taken as independent within prompts.
    """
    import numpy as np

    within = error_without_change(paired) ** 2
    present = np.where(paired.samples > 0, paired.samples, 0).max(axis=0)
    samples = np.array([present[parts].max() for parts in (paired.slopes != 0).T])
    variance = paired.errors**2
    with np.errstate(invalid="ignore", divide="ignore"):
        wanted = variance / _excess_reach(paired, bounds, margins) ** 2
        room = wanted - np.maximum(variance - within, 0.0)
        found = np.floor(samples * within / room) + 1
    return np.where((room > 0) & np.isfinite(found), found, np.inf)


def error_without_change(paired: Paired) -> np.ndarray:
    """Standard error of each column that sampling alone causes, [K]; NaN if no prompt has two samples.

    The difference of two runs of one checkpoint with other seeds has this standard error.
    """
    import numpy as np

    per_sample = (paired.shares**2 / np.maximum(paired.samples, 1)).sum(axis=0) * paired.spread
    needed = paired.slopes != 0
    return np.sqrt((np.where(needed, per_sample[:, None], 0.0) * paired.slopes**2).sum(axis=0))


def power_against_margin(errors: np.ndarray, margins: np.ndarray, quantile: float) -> np.ndarray:
    """Probability that a true loss of exactly the margin has an interval below 0, for standard errors [...].

    An unchanged checkpoint passes with the same probability. ``quantile`` is the number of standard errors of the
    interval's reach: :func:`family_quantile` before the data are known.
    """
    import numpy as np
    from scipy.stats import norm

    with np.errstate(divide="ignore"):
        return norm.cdf(margins / errors - quantile)


def family_quantile(columns: int, alpha: float) -> float:
    """Bonferroni's quantile for ``columns`` gating columns: an upper limit to the q of max-T for many prompts."""
    from scipy.stats import norm

    return float(norm.ppf(1 - alpha / (2 * max(columns, 1))))


def _excess_reach(paired: Paired, bounds: Bounds, margins: np.ndarray) -> np.ndarray:
    """The factor by which the interval reaches too far to decide, [K]: beyond 0 for a loss, else beyond the margin."""
    import numpy as np

    estimates = paired.estimates
    lost = estimates <= -margins
    reach = np.where(lost, bounds.high - estimates, estimates - bounds.low)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(reach / np.where(lost, -estimates, estimates + margins), nan=np.inf, posinf=np.inf)
