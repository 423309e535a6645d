"""Sign flips of whole prompts: how large the differences would be if A and B were interchangeable.

If they are, a prompt's differences (of all its metrics and samples together) are as likely to have the opposite signs.
Each set of flips gives a studentized difference T* per column; how often T* reaches the observed T is the p-value.
Taking the largest T* over several columns adjusts for their number and uses their correlation (max-T; Westfall &
Young 1993, ch. 2). T* is studentized with its own standard error, so columns of any scale are comparable and the test
stays valid for large samples if differences are not symmetric (Janssen 1999, Statistics & Probability Letters 36).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_bench.core.statistics import ROUNDING
from nova_bench.gate.statistics.paired import Paired

if TYPE_CHECKING:
    import numpy as np

ENUMERATED = 14
"""All 2^n sign flips are enumerated up to this number of prompts with a difference."""


def random_signs(prompts: int, flips: int, generator: np.random.Generator) -> np.ndarray:
    """Random signs -1 and 1, float64 [1 + flips, prompts]; the first row flips nothing.

    The observed data count as one of the flips, so p = (1 + number as extreme) / (1 + flips) and is never 0.
    Phipson & Smyth 2010, Statistical Applications in Genetics and Molecular Biology 9.
    """
    import numpy as np

    bits = np.unpackbits(np.frombuffer(generator.bytes(flips * -(-prompts // 8)), dtype=np.uint8).reshape(flips, -1), 1)
    signs = np.ones((1 + flips, prompts))
    signs[1:] -= 2.0 * bits[:, :prompts]
    return signs


def all_signs(differing: np.ndarray) -> np.ndarray:
    """All combinations of signs of the prompts that ``differing`` [P] marks, float64 [2^n, P]; the first flips nothing.

    The sign of other prompts, in which nothing differs, stays 1: it changes nothing.
    """
    import numpy as np

    count = int(differing.sum())
    signs = np.ones((2**count, len(differing)))
    signs[:, differing] -= 2.0 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)
    return signs


def signs_of(paired: Paired, flips: int, seed: int) -> tuple[np.ndarray, bool]:
    """The signs [flips, P] for these differences, and whether they are all that exist.

    All are enumerated if at most ENUMERATED prompts differ. ``paired`` must not have leading dimensions.
    """
    import numpy as np

    differing = (paired.differences != 0).any(axis=-1)
    if differing.sum() <= ENUMERATED:
        return all_signs(differing), True
    return random_signs(len(differing), flips, np.random.default_rng(seed)), False


def studentized(paired: Paired, signs: np.ndarray) -> np.ndarray:
    """|T*| of each set of flips and column, float32 [..., flips, K]; infinite if the flipped differences are all equal.

    T* = d* / se*, with se*^2 = n / (n - 1) * sum over prompts of (s u - a . d*)^2: u is the prompt's contribution, s
    its sign, a = slopes * shares, and d* the flipped differences of the metrics. Written out, every term is a product
    of the signs with a matrix. A column with a single prompt has no spread; its T* is 0. Rounding to float32 makes
    values equal that differ by the order of their sums alone.
    """
    import numpy as np

    metrics = paired.metrics
    contributions = np.where(paired.prompts > 1, paired.contributions, 0.0)
    squares = (contributions**2).sum(axis=-2)[..., None, :]
    squares = np.where(squares > 0, squares, 1.0)
    totals = signs @ contributions
    spread = np.empty_like(totals)
    spread[..., :metrics] = _spread_of_metrics(paired, signs, contributions, totals[..., :metrics])
    for column in range(metrics, totals.shape[-1]):
        parts = np.flatnonzero(paired.slopes[:, column])
        weights, own = paired.shares[:, parts] * paired.slopes[parts, column], totals[..., parts]
        cross = signs @ (contributions[..., column, None] * weights)
        spread[..., column] = ((own @ (weights.T @ weights) - 2 * cross) * own).sum(axis=-1)
    spread += squares
    spread[spread <= ROUNDING * squares] = 0.0
    spread *= paired.few
    np.sqrt(spread, out=spread)
    np.abs(totals, out=totals)
    with np.errstate(divide="ignore"):
        return np.divide(totals, spread, out=totals).astype(np.float32)


def _spread_of_metrics(paired: Paired, signs: np.ndarray, contributions: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """What is added to the sum of squares, [..., flips, M]; with equal shares no further product is needed."""
    import numpy as np

    shares, metrics = paired.shares, paired.metrics
    largest = shares.max(axis=0)
    if np.allclose(shares, largest * (shares > 0), rtol=ROUNDING, atol=0.0):
        return np.square(totals) * -largest
    cross = signs @ (contributions[..., :metrics] * shares)
    return totals * (totals * (shares**2).sum(axis=0) - 2 * cross)


def family_maxima(values: np.ndarray, paired: Paired) -> np.ndarray:
    """Largest |T*| of each family, [..., flips, families]: the gating columns first, then each other column alone.

    Columns that are not testable count as 0.
    """
    import numpy as np

    gating, values = paired.gating, np.where(paired.testable, values, np.float32(0))
    together = [values[..., gating].max(axis=-1, keepdims=True)] if gating.any() else []
    return np.concatenate([*together, values[..., ~gating]], axis=-1)


def family_index(gating: np.ndarray) -> np.ndarray:
    """Where :func:`family_maxima` has each column's family, int [K]."""
    import numpy as np

    return np.where(gating, 0, np.cumsum(~gating) - 1 + gating.any())
