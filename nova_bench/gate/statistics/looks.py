"""Looks at the data before all prompts are done, planned so that the error probability stays what it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nova_bench.gate.statistics.boundary import Boundary
from nova_bench.gate.statistics.decision import ALPHA, FLIPS, Assessment, Finding, Verdict, assess, findings
from nova_bench.gate.statistics.flips import ENUMERATED, all_signs, random_signs, studentized

if TYPE_CHECKING:
    import numpy as np

    from nova_bench.gate.statistics.paired import Paired

SHARES = (0.5, 0.75, 1.0)
"""Shares of the prompts at which the data are looked at."""
LEAST_FLIPS = 50
"""Each threshold exceeds the largest 50 flips at least, so that chance among flips hardly moves it."""


class Looks:
    """The looks of one comparison: which prompts each one has, and the error probability spent up to it.

    O'Brien & Fleming's spending (Lan & DeMets 1983, Biometrika 70) leaves most of the error probability to the last
    look: 0.0056, 0.024 and 0.05 for looks at 1/2, 3/4 and all. One set of sign flips of all prompts serves all looks,
    and thresholds come from the joint distribution of the looks' max-T (:class:`~.boundary.Boundary`).
    """

    def __init__(
        self,
        metrics: np.ndarray,
        shares: Sequence[float] = SHARES,
        alpha: float = ALPHA,
        seed: int = 0,
        flips: int = FLIPS,
    ):
        """``metrics`` bool [P, M] says which prompt has which metric. ``shares`` rise to 1."""
        import numpy as np

        if list(shares) != sorted(set(shares)) or not shares or shares[0] <= 0 or shares[-1] != 1:
            raise ValueError(f"shares of looks must rise to 1: {list(shares)}")
        generator = np.random.default_rng(seed)
        prompts = len(metrics)
        self.order = nested_order(metrics, generator)
        self.counts = tuple(round(share * prompts) for share in shares)
        self.spent = tuple(obrien_fleming(share, alpha) for share in shares)
        self.done = 0
        if prompts <= ENUMERATED:
            self._signs = all_signs(np.ones(prompts, dtype=bool))
        else:
            self._signs = random_signs(prompts, max(flips, flips_for(self.spent[0])), generator)
        self._random_flips = 0 if prompts <= ENUMERATED else len(self._signs)
        self._test, self._reach = Boundary(), Boundary()

    def prompts(self, look: int) -> np.ndarray:
        """Indices of the prompts of a look; every look has those of the one before, in the same order."""
        return self.order[: self.counts[look]]

    def decide(self, paired: Paired, margins: np.ndarray) -> tuple[Finding, ...]:
        """Compare the prompts of the next look, which are the rows of ``paired`` in the order of :meth:`prompts`."""
        return findings(paired, self.assess(paired), margins, self._random_flips)

    def assess(self, paired: Paired) -> Assessment:
        """What :meth:`decide` decides by, for ``paired`` with or without leading dimensions."""
        look = self.done
        if paired.shares.shape[0] != self.counts[look]:
            raise ValueError(f"look {look + 1} has {self.counts[look]} prompts, not {paired.shares.shape[0]}")
        self.done += 1
        signs = self._signs[:, : self.counts[look]]
        values, centred = studentized(paired, signs), studentized(paired.centred, signs)
        return assess(paired, values, centred, self.spent[look], self._test, self._reach)


def ends(gating: Sequence[Verdict]) -> bool:
    """Whether a look's verdicts of the gating columns end the run: one regressed, or all pass or improved."""
    return Verdict.REGRESSED in gating or all(verdict in (Verdict.PASS, Verdict.IMPROVED) for verdict in gating)


def obrien_fleming(share: float, alpha: float) -> float:
    """Two-sided error probability that may be spent once ``share`` of the prompts are done."""
    from scipy.stats import norm

    return float(2 * norm.sf(norm.isf(alpha / 2) / share**0.5))


def flips_for(spent: float) -> int:
    """Random flips that put LEAST_FLIPS of them beyond the threshold of the first look."""
    from math import ceil

    return ceil(LEAST_FLIPS / spent) - 1


def nested_order(metrics: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """An order of the prompts in which every prefix keeps each metric's share of the prompts, within one prompt.

    Prompts with the same metrics (``metrics`` bool [P, M]), such as those of one VBench dimension, are in random order
    and spread evenly.
    """
    import numpy as np

    _, group, sizes = np.unique(metrics, axis=0, return_inverse=True, return_counts=True)
    group = group.reshape(-1)
    position = np.empty(len(group))
    for number, size in enumerate(sizes):
        position[group == number] = (generator.permutation(size) + generator.random()) / size
    return np.argsort(position, kind="stable")
