"""Cluster bootstrap: against a slow, literal version, and what must hold of any interval."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from nova_bench.core.statistics import median_interval, percentile_interval, resampled_means, wilson_interval


def interval(sums, weights, resamples, confidence, seed):
    return percentile_interval(resampled_means(sums, weights, resamples, seed), confidence, len(sums))


def literal_bootstrap(sums, weights, resamples, confidence, seed):
    """The definition, one resample at a time."""
    clusters = len(sums)
    generator = np.random.default_rng(seed)
    means = []
    for _ in range(resamples):
        drawn = generator.integers(clusters, size=clusters)
        means.append(sums[drawn].sum(axis=0) / weights[drawn].sum(axis=0))
    tail = stats.norm.cdf(-stats.t.ppf((1 + confidence) / 2, clusters - 1) * np.sqrt(clusters / (clusters - 1)))
    return np.quantile(means, tail, axis=0), np.quantile(means, 1 - tail, axis=0)


def test_equals_the_literal_definition():
    generator = np.random.default_rng(3)
    weights = generator.integers(1, 6, size=(40, 3)).astype(float)
    sums = generator.random((40, 3)) * weights
    fast = interval(sums, weights, 500, 0.9, seed=11)
    slow = literal_bootstrap(sums, weights, 500, 0.9, seed=11)
    np.testing.assert_allclose(fast, slow, rtol=1e-12)


def test_covers_the_true_mean_about_as_often_as_it_says():
    generator = np.random.default_rng(0)
    hits = 0
    for trial in range(200):
        values = generator.normal(0.5, 0.2, size=(60, 1))
        low, high = interval(values, np.ones_like(values), 400, 0.9, seed=trial)
        hits += low[0] <= 0.5 <= high[0]
    assert 165 <= hits <= 195  # binomial(200, 0.9) stays in [167, 192] with probability 0.998


def test_samples_of_one_prompt_do_not_narrow_the_interval():
    """Five copies of each prompt's sample carry no more information than one."""
    values = np.random.default_rng(1).random((50, 1))
    once = interval(values, np.ones_like(values), 1000, 0.95, seed=0)
    five = interval(5 * values, 5 * np.ones_like(values), 1000, 0.95, seed=0)
    np.testing.assert_allclose(once, five, rtol=1e-12)


@settings(max_examples=50, deadline=None)
@given(
    hnp.arrays(float, st.tuples(st.integers(2, 20), st.integers(1, 4)), elements=st.floats(0, 100)),
    st.integers(0, 2**32 - 1),
    st.floats(0.5, 0.99),
)
def test_lies_within_the_values_and_holds_the_middle(values, seed, confidence):
    low, high = interval(values, np.ones_like(values), 200, confidence, seed)
    tolerance = 1e-9 * (1 + np.abs(values).max())
    assert (low <= high + tolerance).all()
    assert (low >= values.min(axis=0) - tolerance).all()
    assert (high <= values.max(axis=0) + tolerance).all()


def test_a_metric_that_some_prompts_lack_uses_the_others():
    sums = np.array([[1.0, 2.0], [3.0, 0.0], [2.0, 4.0], [5.0, 0.0]])
    weights = np.array([[1.0, 1.0], [1.0, 0.0], [1.0, 1.0], [1.0, 0.0]])
    low, high = interval(sums, weights, 2000, 0.95, seed=0)
    assert low[1] == pytest.approx(2.0)
    assert high[1] == pytest.approx(4.0)


@given(st.integers(2, 400), st.data(), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilsons_interval_is_that_of_scipy_for_whole_numbers(count, data, confidence):
    hits = data.draw(st.integers(0, count))
    quantile = stats.norm.ppf((1 + confidence) / 2)
    found = wilson_interval(np.array([hits / count]), np.array([count]), quantile)
    expected = stats.binomtest(hits, count).proportion_ci(confidence, "wilson")
    assert [float(end[0]) for end in found] == pytest.approx(list(expected), abs=1e-12)


@given(st.floats(0.01, 0.99), st.floats(1.5, 500), st.floats(1, 5))
def test_wilsons_ends_lie_that_many_standard_errors_from_the_share(share, count, quantile):
    for end in wilson_interval(np.array(share), np.array(count), np.array(quantile)):
        assert abs(share - end) == pytest.approx(quantile * (end * (1 - end) / count) ** 0.5, abs=1e-9)


@given(st.integers(1, 60), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_the_median_lies_between_two_ranks_as_often_as_is_said_and_no_closer_ranks_will_do(count, confidence):
    """The median of a continuous distribution lies above as many of its values as heads among fair coins."""

    def covers(rank: int) -> float:
        return stats.binom.cdf(count - rank, count, 0.5) - stats.binom.cdf(rank - 1, count, 0.5)

    found = median_interval(range(1, count + 1), confidence)
    rank = found[0] if found else 0
    assert found is None or (found[1] == count + 1 - rank and covers(rank) >= confidence - 1e-12)
    if 2 * (rank + 1) <= count:
        assert covers(rank + 1) < confidence
