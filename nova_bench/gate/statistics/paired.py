"""The paired differences of two runs: what every test and interval of a comparison is computed from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from nova_bench.core.statistics import ROUNDING

if TYPE_CHECKING:
    import numpy as np

LEAST_PROMPTS = 6
"""The smallest number of prompts whose sign flips can reach p < 0.05, two-sided."""


@dataclass(frozen=True)
class Paired:
    """Differences B - A of P prompts, M metrics and K columns (the metrics, then composites such as VBench's total).

    Samples of one prompt are correlated and a prompt can have several metrics, so prompts are the independent units.
    ``differences``, ``gains`` and ``losses`` may have leading dimensions, one entry per simulated comparison.

    - ``differences`` [P, M]: mean of the prompt in B minus that in A, oriented so that negative is worse; 0 if the
      prompt lacks the metric. Differences due to rounding alone must be 0.
    - ``shares`` [P, M]: weight of the prompt in the metric's mean. Each column sums to 1; 0 if it lacks the metric.
    - ``slopes`` [M, K]: column k is sum(slopes[m, k] * metric m). The first M columns are the identity.
    - ``binary`` [M]: the 0/1 metrics.
    - ``samples`` [P, M]: sample pairs of the prompt; 0 if it lacks the metric.
    - ``gains``, ``losses`` [P, M]: sample pairs of a 0/1 metric in which only B is right, and in which only A is.
    - ``spread`` [M]: variance within prompts of one sample pair's difference; NaN if no prompt has two pairs.
    - ``gating`` [K]: the columns that decide together; the others are information.
    """

    differences: np.ndarray
    shares: np.ndarray
    slopes: np.ndarray
    binary: np.ndarray
    samples: np.ndarray
    gains: np.ndarray
    losses: np.ndarray
    spread: np.ndarray
    gating: np.ndarray

    @cached_property
    def metrics(self) -> int:
        """M, the number of columns that are metrics."""
        return self.shares.shape[-1]

    @cached_property
    def contributions(self) -> np.ndarray:
        """What each prompt adds to each column's difference, [..., P, K]."""
        return (self.shares * self.differences) @ self.slopes

    @cached_property
    def estimates(self) -> np.ndarray:
        """The difference of each column, [..., K]."""
        return self.contributions.sum(axis=-2)

    @cached_property
    def centred(self) -> Paired:
        """The same prompts with each metric's mean difference removed."""
        means = (self.shares * self.differences).sum(axis=-2, keepdims=True)
        return replace(self, differences=(self.shares > 0) * (self.differences - means))

    @cached_property
    def errors(self) -> np.ndarray:
        """Standard error of each column's difference, [..., K]: infinite for one prompt, 0 if all are equal.

        The linearized variance of weighted means: n / (n - 1) * sum of squares of the prompts' influence.
        """
        import numpy as np

        squares = (self.centred.contributions**2).sum(axis=-2)
        squares = np.where(squares <= ROUNDING * (self.contributions**2).sum(axis=-2), 0.0, squares)
        return np.where(self.prompts > 1, np.sqrt(squares * self.few), np.inf)

    @cached_property
    def prompts(self) -> np.ndarray:
        """Number of prompts of each column, int [K]: of a composite, those of the part that has the fewest."""
        import numpy as np

        counts = (self.shares > 0).sum(axis=0)
        return np.array([counts[parts].min() for parts in (self.slopes != 0).T], dtype=int)

    @cached_property
    def testable(self) -> np.ndarray:
        """Columns that can be significant, bool [K]: all 2^5 sign flips of 5 prompts give p = 0.06 at best.

        T* of fewer prompts can be extreme, up to infinite for two. Other columns must not pay for that.
        """
        return self.prompts >= LEAST_PROMPTS

    @cached_property
    def few(self) -> np.ndarray:
        """n / (n - 1) of each column, [K], which makes up for the mean being estimated; 1 for one prompt."""
        import numpy as np

        return self.prompts / np.maximum(self.prompts - 1, 1)
