"""Which interval a mean over prompts has: what must hold of it, and how often it holds the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from nova_bench.config.catalog import SCORERS
from nova_bench.config.suite import StatisticsSpec
from nova_bench.core.intervals import Method, cluster_means
from nova_bench.scorers.base import ScorerInfo

STATISTICS = StatisticsSpec(resamples=1000)


def interval(values, binary=False, weights=None):
    """(method, low, high) of one metric; ``values`` [prompts, samples]."""
    values = np.asarray(values, np.float64)
    weights = np.ones_like(values) if weights is None else np.asarray(weights, np.float64)
    sums, totals = (values * weights).sum(axis=1), weights.sum(axis=1)
    means = cluster_means(sums[None, :, None], totals[None, :, None], STATISTICS, [binary])
    found = means.intervals(STATISTICS.confidence)
    return found.methods[0], found.low[0], found.high[0]


def test_below_eight_prompts_one_sample_each_it_is_students():
    values = [0.2, 0.9, 0.4, 0.4, 0.6]
    method, low, high = interval([[value] for value in values])
    expected = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert method == Method.T
    assert (low, high) == pytest.approx(expected)


def test_of_prompts_with_unequal_numbers_of_samples_it_is_the_ratio_estimators():
    """Against the jackknife, which linearization approaches: prompts are left out one by one."""
    generator = np.random.default_rng(0)
    weights = generator.integers(1, 6, (7, 1)).astype(float)
    values = 5 + generator.normal(size=(7, 1)) / 10
    _, low, high = interval(values, weights=weights)
    left = [np.average(np.delete(values, i), weights=np.delete(weights, i)) for i in range(7)]
    error = (np.var(left) * 6) ** 0.5
    assert (high - low) / 2 == pytest.approx(stats.t.ppf(0.975, 6) * error, rel=0.15)


def test_from_eight_prompts_on_it_is_the_bootstraps():
    values = np.random.default_rng(0).gamma(1.0, size=(8, 1))
    assert interval(values[:7])[0] == Method.T
    method, low, high = interval(values)
    assert method == Method.BOOTSTRAP
    assert high - values.mean() > values.mean() - low  # it leans as the scores do


@pytest.mark.parametrize("prompts", [2, 5, 8, 10, 72])
@pytest.mark.parametrize("samples", [1, 5])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_zeros_and_ones_that_are_all_equal_have_an_interval_of_as_many_as_there_are_prompts(prompts, samples, value):
    method, low, high = interval(np.full((prompts, samples), value), binary=True)
    quantile = stats.t.ppf(0.975, prompts - 1)
    reach = quantile**2 / (prompts + quantile**2)
    assert method == Method.WILSON
    assert (low, high) == pytest.approx((1 - reach, 1) if value else (0, reach))


@given(st.integers(2, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n - 1))))
def test_one_sample_a_prompt_is_wilson_with_their_number(case):
    prompts, hits = case
    _, low, high = interval([[index < hits] for index in range(prompts)], binary=True)
    for end in (low, high):  # the shares that lie as many of their own standard errors away
        error = (end * (1 - end) / prompts) ** 0.5
        assert abs(hits / prompts - end) == pytest.approx(stats.t.ppf(0.975, prompts - 1) * error)


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.float64, st.tuples(st.integers(2, 12), st.integers(1, 4)), elements=st.sampled_from([0.0, 1.0])))
def test_samples_that_agree_within_their_prompts_count_as_one_and_no_sample_counts_twice(values):
    prompts, samples = values.shape
    _, low, high = interval(values, binary=True)
    assert 0 <= low <= values.mean() <= high <= 1
    assert low < high
    repeated = interval(np.repeat(values[:, :1], samples, axis=1), binary=True)
    assert repeated == pytest.approx(interval(values[:, :1], binary=True))
    share, quantile = values.mean(), stats.t.ppf(0.975, prompts - 1)
    widest, narrowest = (
        2 * quantile / (1 + quantile**2 / count) * (share * (1 - share) / count + quantile**2 / (4 * count**2)) ** 0.5
        for count in (prompts, prompts * samples)
    )
    assert narrowest - 1e-9 <= high - low <= widest + 1e-9


@pytest.mark.parametrize("values", [[[0.3]] * 5, [[0.1, 0.7]] * 12, [[0.1 + 0.2, 0.3]] * 9 + [[0.3, 0.3]]])
def test_scores_that_are_all_equal_have_none(values):
    method, low, high = interval(values)
    assert method == Method.EQUAL
    assert np.isnan([low, high]).all()


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("weights", [[[1.0]], [[1.0], [0.0]]])
def test_one_prompt_has_none(binary, weights):
    method, low, high = interval(np.ones((len(weights), 1)), binary, weights)
    assert method == Method.ONE
    assert np.isnan([low, high]).all()


def test_without_a_score_there_is_nothing_to_say():
    assert interval([[0.5], [0.5]], weights=[[0.0], [0.0]])[0] == Method.NOTHING


@pytest.mark.parametrize("name", ["dynamic_degree", "dynamic_degree_dis", "static_filter", "shapes/all"])
def test_scorers_of_zeros_and_ones_say_so(name):
    assert SCORERS.get(name).binary


def test_a_share_of_samples_is_not_weighted():
    with pytest.raises(ValueError, match="'x': a share of samples is not weighted"):
        ScorerInfo("x", "", "1", "", (0, 1), True, "", "m:X", average="weighted", binary=True)
