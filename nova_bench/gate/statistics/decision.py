"""From paired differences to a verdict for each metric.

Test: sign flips of whole prompts, adjusted for all gating columns by max-T (:mod:`.flips`). Interval: d +- q standard
errors, q from max-T under flips of the centred differences, so that it covers all gating columns at once; 0/1 metrics
have Tango's score interval with the same q (:mod:`.zero_one`). ``benchmarks/gate_errors.py`` measures how often the
verdicts are wrong.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from nova_bench.gate.statistics.boundary import Boundary
from nova_bench.gate.statistics.bounds import Bounds, interval_bounds
from nova_bench.gate.statistics.flips import family_index, family_maxima, signs_of, studentized
from nova_bench.gate.statistics.power import detectable_difference, prompts_to_decide, samples_to_decide
from nova_bench.gate.statistics.zero_one import mcnemar_exact, single_samples

if TYPE_CHECKING:
    import numpy as np

    from nova_bench.gate.statistics.paired import Paired

ALPHA = 0.05
"""Family-wise error probability, two-sided."""
FLIPS = 9_999
"""Random sign flips, if there are too many to enumerate."""


class Verdict(StrEnum):
    """What a comparison says of a metric. The overall verdict is the first, in this order, of any gating metric."""

    REGRESSED = "regressed"
    NOT_COMPARABLE = "not comparable"
    INCONCLUSIVE = "inconclusive"
    PASS = "pass"
    IMPROVED = "improved"


@dataclass(frozen=True)
class Finding:
    """The comparison of one column; differences are oriented so that negative is worse.

    ``error`` is the standard error. ``low`` and ``high`` are the interval's bounds (infinite if a single prompt says
    nothing about the spread), ``quantile`` is the q behind them, and ``method`` one of "max-T", "Tango", "score bound"
    and "identical". ``p`` is two-sided, ``p_family`` adjusted for all gating columns, and ``p_error`` the standard
    error of ``p`` due to the limited number of flips (0 if all were enumerated). ``detectable`` is the smallest loss
    that the interval would separate from 0 with 80 % power. ``more_prompts`` and ``more_samples`` (per prompt) say how
    many would decide, in all, if the difference stayed as it is; None if the verdict is not inconclusive, or if no
    number would.
    """

    estimate: float
    error: float
    low: float
    high: float
    quantile: float
    method: str
    p: float
    p_family: float
    p_error: float
    mcnemar: float | None
    verdict: Verdict
    detectable: float
    more_prompts: int | None
    more_samples: int | None
    prompts: int

    @property
    def within_margin(self) -> bool:
        """Whether it is worse for certain, but by less than the margin."""
        return self.verdict is Verdict.PASS and self.high < 0


@dataclass(frozen=True)
class Assessment:
    """Everything that decides, as arrays [..., K]; ``rejected`` says whether the difference is significant."""

    bounds: Bounds
    p: np.ndarray
    p_family: np.ndarray
    rejected: np.ndarray


def decide(
    paired: Paired, margins: np.ndarray, alpha: float = ALPHA, seed: int = 0, flips: int = FLIPS
) -> tuple[Finding, ...]:
    """Compare all columns; those that don't gate get their own, unadjusted interval and p.

    ``margins`` [K] are the losses that count as worse, positive for gating columns; 0 stands for no margin, with which
    nothing passes.
    """
    signs, complete = signs_of(paired, flips, seed)
    centred_signs = signs_of(paired.centred, flips, seed)[0] if complete else signs
    values, centred = studentized(paired, signs), studentized(paired.centred, centred_signs)
    assessment = assess(paired, values, centred, alpha, Boundary(), Boundary())
    return findings(paired, assessment, margins, 0 if complete else len(signs))


def assess(
    paired: Paired, values: np.ndarray, centred: np.ndarray, spent: float, test: Boundary, reach: Boundary
) -> Assessment:
    """Test all columns and compute their intervals, with ``spent`` error probability up to this look.

    ``values`` and ``centred`` [..., flips, K] are the |T*| of the differences and of the centred ones; the first set of
    signs must flip nothing. ``test`` and ``reach`` carry the thresholds from look to look.
    """
    import numpy as np

    family = family_index(paired.gating)
    observed, maxima = values[..., :1, :], family_maxima(values, paired)
    rejected = (observed[..., 0, :] > test.next(maxima, spent)[..., family]) & paired.testable
    p = (values >= observed).mean(axis=-2)
    p_family = np.where(paired.gating, np.maximum(p, (maxima[..., :1] >= observed).mean(axis=-2)), p)
    quantile = reach.next(family_maxima(centred, paired), spent)[..., family]
    bounds = interval_bounds(paired, quantile.astype(np.float64), spent)
    return Assessment(bounds.including_zero(~rejected), p, p_family, rejected)


def verdicts(estimates: np.ndarray, bounds: Bounds, margins: np.ndarray) -> np.ndarray:
    """The verdict of each column by non-inferiority, an array of Verdict's values [..., K].

    Regressed: certainly worse (high < 0), by the margin or more. Improved: certainly better (low > 0). Pass: certainly
    not worse by the margin (low > -margin). Inconclusive: everything else.
    """
    import numpy as np

    regressed = (bounds.high < 0) & (estimates <= -margins)
    return np.select(
        [regressed, bounds.low > 0, bounds.low > -margins],
        [Verdict.REGRESSED, Verdict.IMPROVED, Verdict.PASS],
        Verdict.INCONCLUSIVE,
    )


def overall(gating: Collection[Verdict]) -> Verdict:
    """The verdict of all gating columns together: the first of Verdict's order; not comparable if there are none."""
    return next((verdict for verdict in Verdict if verdict in gating), Verdict.NOT_COMPARABLE)


def findings(paired: Paired, assessment: Assessment, margins: np.ndarray, random_flips: int) -> tuple[Finding, ...]:
    """One Finding per column; the arrays have no leading dimensions. ``random_flips`` is 0 if all were enumerated."""
    bounds = assessment.bounds
    reached = verdicts(paired.estimates, bounds, margins)
    single = single_samples(paired)
    detectable = detectable_difference(paired, bounds)
    prompts, samples = prompts_to_decide(paired, bounds, margins), samples_to_decide(paired, bounds, margins)
    found = []
    for column, verdict in enumerate(map(Verdict, reached)):
        p, undecided = float(assessment.p[column]), verdict is Verdict.INCONCLUSIVE
        exact = column < paired.metrics and paired.binary[column] and single[column]
        found.append(
            Finding(
                estimate=float(paired.estimates[column]),
                error=float(paired.errors[column]),
                low=float(bounds.low[column]),
                high=float(bounds.high[column]),
                quantile=float(bounds.quantile[column]),
                method=str(bounds.methods[column]),
                p=p,
                p_family=float(assessment.p_family[column]),
                p_error=(p * (1 - p) / random_flips) ** 0.5 if random_flips else 0.0,
                mcnemar=mcnemar_exact(paired.gains[:, column].sum(), paired.losses[:, column].sum()) if exact else None,
                verdict=verdict,
                detectable=float(detectable[column]),
                more_prompts=_count(prompts[column]) if undecided else None,
                more_samples=_count(samples[column]) if undecided else None,
                prompts=int(paired.prompts[column]),
            )
        )
    return tuple(found)


def _count(value: float) -> int | None:
    """A whole number, or None if it is infinite."""
    return int(value) if value < float("inf") else None
