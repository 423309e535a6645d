"""Tests and intervals equal independent implementations: brute force, scipy, statsmodels and published examples."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import optimize, stats

from nova_bench.gate.statistics.decision import decide
from nova_bench.gate.statistics.paired import Paired
from nova_bench.gate.statistics.zero_one import tango_interval
from tests.gate.statistics.cases import continuous, one_sample, several

MARGIN = np.array([0.1])


def direct(paired: Paired, signs: np.ndarray) -> np.ndarray:
    """T of one set of signs, [K], from the flipped differences themselves."""
    flipped = paired.differences * signs[:, None]
    means = (paired.shares * flipped).sum(axis=0)
    influence = (paired.shares * (flipped - means)) @ paired.slopes
    counts = [(paired.shares[:, parts] > 0).sum(axis=0).min() for parts in (paired.slopes != 0).T]
    factor = np.array([count / (count - 1) for count in counts])
    return (means @ paired.slopes) / np.sqrt((influence**2).sum(axis=0) * factor)


@pytest.mark.parametrize("seed", [0, 1])
def test_p_and_intervals_of_metrics_and_composites_equal_a_brute_force_enumeration(seed: int) -> None:
    paired = several(np.random.default_rng(seed))
    every = [np.array(signs) for signs in product([1.0, -1.0], repeat=10)]
    values = np.abs([direct(paired, signs) for signs in every])
    largest = values[:, :4].max(axis=1)
    found = decide(paired, np.full(5, 0.1))
    close = 1 - 1e-9
    assert [f.p for f in found] == [float((v >= v[0] * close).mean()) for v in values.T]
    assert [f.p_family for f in found[:4]] == [float((largest >= v * close).mean()) for v in values[0, :4]]
    assert found[4].p_family == found[4].p
    centred = np.abs([direct(paired.centred, signs) for signs in every])
    allowed = int(0.05 * len(every))
    together, alone = (np.sort(v)[-1 - allowed] for v in (centred[:, :4].max(axis=1), centred[:, 4]))
    errors = paired.estimates / direct(paired, every[0])
    assert [f.error for f in found] == pytest.approx(errors)
    for finding, quantile in zip(found, [together] * 4 + [alone], strict=True):
        quantile = max(quantile, stats.t.ppf(0.975, finding.prompts - 1))
        assert finding.quantile == pytest.approx(quantile)
        low, high = finding.estimate - quantile * finding.error, finding.estimate + quantile * finding.error
        assert (finding.low, finding.high) == pytest.approx(
            (min(low, 0), max(high, 0)) if finding.p_family > 0.05 else (low, high)
        )
        assert finding.method == "max-T"


def test_p_of_one_metric_equals_scipys_permutation_test() -> None:
    differences = np.random.default_rng(3).gamma(1.0, size=11) - 0.6

    def studentized(x: np.ndarray, axis: int = -1) -> np.ndarray:
        return x.mean(axis=axis) / stats.sem(x, axis=axis)

    expected = stats.permutation_test(
        (differences,), studentized, permutation_type="samples", vectorized=True, n_resamples=np.inf
    )
    found = decide(continuous(differences), MARGIN)[0]
    assert (found.p, found.p_family, found.p_error) == (expected.pvalue, expected.pvalue, 0.0)
    t = stats.ttest_1samp(differences, 0.0)
    assert found.estimate / found.error == pytest.approx(t.statistic)


def test_random_flips_estimate_the_enumerated_p() -> None:
    differences = np.random.default_rng(4).normal(0.4, size=14)
    exact = decide(continuous(differences), MARGIN)[0]
    # Prompts with tiny differences change nothing but the number of flips.
    padded = continuous(np.concatenate([differences, np.full(1, 1e-9)]))
    random = decide(padded, MARGIN, flips=20_000)[0]
    assert exact.p_error == 0.0
    assert random.p_error == pytest.approx((random.p * (1 - random.p) / 20_001) ** 0.5)
    expected = stats.permutation_test(
        (padded.differences[:, 0],),
        lambda x, axis=-1: x.mean(axis=axis) / stats.sem(x, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
    )
    assert abs(random.p - expected.pvalue) < 4 * random.p_error


@pytest.mark.parametrize(("gains", "losses"), [(0, 5), (3, 9), (6, 6), (1, 0), (0, 0), (9, 40)])
def test_mcnemar_and_the_flips_of_a_0_1_metric_equal_statsmodels(gains: int, losses: int) -> None:
    oracle = pytest.importorskip("statsmodels.stats.contingency_tables")
    found = decide(one_sample(gains, losses, 72), MARGIN)[0]
    expected = oracle.mcnemar([[72 - gains - losses, losses], [gains, 0]], exact=True).pvalue
    assert found.mcnemar == pytest.approx(expected)
    assert abs(found.p - expected) <= 4 * found.p_error + 1e-12


@pytest.mark.parametrize(
    ("gains", "losses", "pairs", "level", "low", "high"),
    [
        (1, 7, 21, 0.95, -0.517, -0.026),  # Bentur et al. 2009, in Fagerland, Lydersen & Laake 2014
        (6, 16, 161, 0.95, -0.1240, -0.0054),  # Cavo et al. 2012, in Fagerland, Lydersen & Laake 2017
        (28, 25, 618, 0.90, -0.0148, 0.0247),  # PropCIs::scoreci.mp(25, 28, 618, 0.9) in R
    ],
)
def test_tango_equals_published_examples(gains, losses, pairs, level, low, high) -> None:
    found = tango_interval(*map(np.array, (gains / pairs, losses / pairs, pairs, stats.norm.ppf((1 + level) / 2))))
    assert found == pytest.approx((low, high), abs=5e-4 if low == -0.517 else 5e-5)


@pytest.mark.parametrize(("gains", "losses"), [(0, 4), (2, 7), (30, 1), (5, 5)])
def test_tango_is_where_the_score_test_of_the_multinomial_model_turns(gains: int, losses: int) -> None:
    """The model's likelihood is maximized numerically under each bound: there the squared score is z^2."""
    pairs, quantile = 40, 1.96
    for bound in tango_interval(*map(np.array, (gains / pairs, losses / pairs, pairs, quantile))):

        def negative(loss: float, bound: float = float(bound)) -> float:
            shares = np.array([loss + bound, loss, 1 - 2 * loss - bound])
            counts = np.array([gains, losses, pairs - gains - losses])
            return -float((counts * np.log(np.maximum(shares, 1e-300))).sum())

        limits = (max(0.0, -float(bound)), (1 - float(bound)) / 2)
        loss = optimize.minimize_scalar(negative, bounds=limits, method="bounded", options={"xatol": 1e-12}).x
        variance = pairs * (2 * loss + bound - bound**2)
        assert (gains - losses - pairs * bound) ** 2 / variance == pytest.approx(quantile**2, rel=1e-4)
