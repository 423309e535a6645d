"""Pooling over trainings and paired differences: what must hold whatever the scores are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import t, ttest_ind

from nova_bench.config.suite import StatisticsSpec
from nova_bench.core.intervals import Method
from nova_bench.core.statistics import percentile_interval, resampled_means
from nova_bench.experiments.study.pooling import difference, pooled

STATISTICS = StatisticsSpec(resamples=200)
VALUES = st.floats(-100, 100, allow_nan=False).map(lambda value: round(value, 3))


@st.composite
def scores(draw, seeds: int | None = None, prompts: int | None = None):
    """Sums and weights [seeds, prompts, metrics], some prompts without a score."""
    shape = (seeds or draw(st.integers(1, 4)), prompts or draw(st.integers(1, 10)), 2)
    weights = draw(hnp.arrays(np.float64, shape, elements=st.sampled_from([0.0, 1.0, 2.0])))
    return draw(hnp.arrays(np.float64, shape, elements=VALUES)) * weights, weights


def same(first, second) -> bool:
    return all(
        np.allclose(getattr(first, part), getattr(second, part), atol=1e-9, equal_nan=True)
        for part in ("value", "low", "high")
    )


@settings(max_examples=60, deadline=None)
@given(scores(seeds=1))
def test_one_training_speaks_of_prompts_only(data):
    """Student's t below eight prompts with a score, the expanded percentiles of the bootstrap from there."""
    sums, weights = data
    means = resampled_means(sums[0], weights[0], STATISTICS.resamples, STATISTICS.seed)
    found = pooled(sums, weights, STATISTICS)
    for metric, method in enumerate(found.intervals.methods):
        there = weights[0, :, metric] > 0
        if there.sum() < 2:
            assert method in (Method.ONE, Method.NOTHING)
        elif method != Method.EQUAL and there.sum() >= 8:
            low, high = percentile_interval(means[:, [metric]], STATISTICS.confidence, int(there.sum()))
            assert (method, found.low[metric], found.high[metric]) == (Method.BOOTSTRAP, low[0], high[0])
        elif method != Method.EQUAL:
            each, many = sums[0, there, metric], weights[0, there, metric]
            residuals = each - many * each.sum() / many.sum()
            error = residuals.std(ddof=1) * len(each) ** 0.5 / many.sum()
            assert method == Method.T
            assert found.high[metric] - found.value[metric] == pytest.approx(t.ppf(0.975, len(each) - 1) * error)


@settings(max_examples=60, deadline=None)
@given(scores(), st.randoms(use_true_random=False))
def test_the_order_of_trainings_does_not_matter(data, random):
    sums, weights = data
    order = list(range(len(sums)))
    random.shuffle(order)
    assert same(pooled(sums, weights, STATISTICS), pooled(sums[order], weights[order], STATISTICS))


@settings(max_examples=60, deadline=None)
@given(scores(seeds=1), st.integers(2, 5))
def test_equal_trainings_add_no_uncertainty(data, count):
    sums, weights = data
    repeated = (np.repeat(array, count, axis=0) for array in (sums, weights))
    assert same(pooled(sums, weights, STATISTICS), pooled(*repeated, STATISTICS))


@settings(max_examples=60, deadline=None)
@given(scores())
def test_an_interval_holds_its_value_and_is_never_without_width(data):
    found = pooled(*data, STATISTICS)
    known = ~np.isnan(found.low)
    assert np.all(found.low[known] < found.high[known])
    assert np.all(found.low[known] <= found.value[known] + 1e-9)
    assert np.all(found.value[known] <= found.high[known] + 1e-9)


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.float64, (3, 4, 2), elements=VALUES), st.floats(0.1, 100))
def test_an_interval_widens_with_the_spread_between_trainings(sums, spread):
    ones = np.ones_like(sums)
    centred = sums - sums.mean(axis=1, keepdims=True)
    near, apart = (
        pooled(centred + factor * spread * np.array([-1.0, 0.0, 1.0])[:, None, None], ones, STATISTICS)
        for factor in (2000, 4000)
    )
    assert np.allclose(apart.value, near.value, atol=1e-9)
    assert set(apart.intervals.methods) == {Method.WELCH}
    assert np.all(apart.high - apart.low > near.high - near.low)


@settings(max_examples=60, deadline=None)
@given(scores(prompts=5), scores(prompts=5))
def test_a_difference_turns_its_sign_with_its_sides(first, second):
    there, shared = difference(*first, *second, STATISTICS)
    back, same_shared = difference(*second, *first, STATISTICS)
    assert np.array_equal(shared, same_shared)
    assert np.allclose(there.value, -back.value, equal_nan=True)
    # A percentile between two resamples is the same from both ends up to rounding.
    assert np.allclose(there.low, -back.high, atol=1e-9, equal_nan=True)


@settings(max_examples=60, deadline=None)
@given(scores(seeds=1))
def test_a_setting_does_not_differ_from_itself(data):
    found, shared = difference(*data, *data, STATISTICS)
    count = shared.sum(axis=0)
    assert np.array_equal(count, (data[1][0] > 0).sum(axis=0))
    assert np.all((found.value == 0) | (count == 0))
    assert np.isnan([found.low, found.high]).all()
    assert all(method == Method.EQUAL for method, n in zip(found.intervals.methods, count, strict=True) if n >= 2)


@settings(max_examples=60, deadline=None)
@given(scores(seeds=1, prompts=6), VALUES)
def test_a_constant_advantage_is_found_exactly_and_is_no_interval(data, advantage):
    sums, weights = data
    found, shared = difference(sums + advantage * weights, weights, sums, weights, STATISTICS)
    count = shared.sum(axis=0)
    assert np.allclose(found.value[count >= 2], advantage, atol=1e-6)
    assert np.isnan([found.low, found.high]).all()


def test_what_prompts_have_in_common_cancels_in_a_paired_difference():
    generator = np.random.default_rng(0)
    hard = generator.normal(0, 10, (1, 200, 1))  # how hard a prompt is, for every model
    ours, theirs = (hard + generator.normal(shift, 0.1, (1, 200, 1)) for shift in (0.5, 0.0))
    ones = np.ones_like(ours)
    paired, _ = difference(ours, ones, theirs, ones, STATISTICS)
    alone = pooled(ours, ones, STATISTICS)
    assert paired.value[0] == pytest.approx(0.5, abs=0.05)
    assert (paired.high - paired.low)[0] < 0.1
    assert (alone.high - alone.low)[0] > 1


def test_only_shared_prompts_are_compared():
    sums = np.array([[[1.0], [2.0], [30.0]]])
    here, there = np.array([[[1.0], [1.0], [1.0]]]), np.array([[[1.0], [1.0], [0.0]]])
    found, shared = difference(sums, here, 0 * sums, there, STATISTICS)
    assert found.value[0] == 1.5
    assert shared[:, 0].tolist() == [True, True, False]


def with_mean(means):
    """The two metrics, and their mean as a third column."""
    return np.concatenate([means, means.mean(axis=-1, keepdims=True)], axis=-1)


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.float64, (1, 9, 2), elements=VALUES))
def test_an_added_column_has_the_interval_of_what_it_adds_up(values):
    """Resampled as one: its interval is that of the means of both metrics in the same resamples."""
    ones = np.ones_like(values)
    alone = pooled(values, ones, STATISTICS)
    found = pooled(values, ones, STATISTICS, add=with_mean)
    sum_of_both = pooled(values.mean(axis=2, keepdims=True), ones[..., :1], STATISTICS)
    assert np.array_equal(found.low[:2], alone.low, equal_nan=True)
    assert found.low[2] == pytest.approx(sum_of_both.low[0], abs=1e-9, nan_ok=True)
    assert found.high[2] == pytest.approx(sum_of_both.high[0], abs=1e-9, nan_ok=True)
    assert np.allclose(found.value[2], alone.value.mean(), equal_nan=True)


@settings(max_examples=60, deadline=None)
@given(scores(seeds=2, prompts=4), scores(seeds=1, prompts=4), VALUES)
def test_a_difference_of_an_added_column_is_that_of_its_parts(first, second, constant):
    found, _ = difference(*first, *second, STATISTICS, add=with_mean)
    if not np.isnan(found.value[:2]).any() and first[1].any(axis=1).all():
        assert found.value[2] == pytest.approx(found.value[:2].mean(), abs=1e-9)
    opposed = np.concatenate([first[0][..., :1], constant * first[1][..., :1] - first[0][..., :1]], axis=-1)
    weights = np.repeat(first[1][..., :1], 2, axis=-1)
    certain, shared = difference(opposed, weights, 0 * opposed, weights, STATISTICS, add=with_mean)
    if shared.sum(axis=0)[0] >= 2:  # one metric falls as the other rises: their mean is the same for all prompts
        assert certain.value[2] == pytest.approx(constant / 2, abs=1e-6)
        assert certain.intervals.methods[2] == Method.EQUAL


@pytest.mark.parametrize("spread", [0.1, 1.0, 10.0])
def test_intervals_over_trainings_cover_the_truth_as_often_as_they_say(spread):
    """Three trainings with a spread of their own, forty prompts of different difficulty; a column a repetition."""
    generator, rounds = np.random.default_rng(1), 2000
    training = generator.normal(0, spread, (3, 1, rounds))
    prompt = generator.normal(0, 3, (1, 40, rounds))
    sums = training + prompt + generator.normal(0, 1, (3, 40, rounds))
    found = pooled(sums, np.ones_like(sums), STATISTICS)
    assert set(found.intervals.methods) == {Method.WELCH}
    assert 0.93 <= ((found.low <= 0) & (found.high >= 0)).mean() <= 0.99


def test_a_difference_of_trainings_is_welchs():
    """Prompts that are all alike leave the trainings' spread alone: scipy's test of unequal variances."""
    generator = np.random.default_rng(0)
    ours, theirs = (generator.normal(0, size, (count, 1, 1)) for size, count in ((1.0, 3), (4.0, 5)))
    ones = np.ones((1, 6, 1))
    found, _ = difference(ours * ones, np.ones((3, 6, 1)), theirs * ones, np.ones((5, 6, 1)), STATISTICS)
    expected = ttest_ind(ours[:, 0, 0], theirs[:, 0, 0], equal_var=False).confidence_interval(0.95)
    assert (found.low[0], found.high[0]) == pytest.approx((expected.low, expected.high))
