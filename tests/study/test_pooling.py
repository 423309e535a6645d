"""Pooling over trainings and paired differences: what must hold whatever the scores are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nova_bench.spec import StatisticsSpec
from nova_bench.stats import percentile_interval, resampled_means
from nova_bench.study.pooling import difference, pooled

STATISTICS = StatisticsSpec(resamples=200)
VALUES = st.floats(-100, 100, allow_nan=False).map(lambda value: round(value, 3))


@st.composite
def scores(draw, seeds: int | None = None, prompts: int | None = None):
    """Sums and weights [seeds, prompts, metrics], some prompts without a score."""
    shape = (seeds or draw(st.integers(1, 4)), prompts or draw(st.integers(1, 6)), 2)
    weights = draw(hnp.arrays(np.float64, shape, elements=st.sampled_from([0.0, 1.0, 2.0])))
    return draw(hnp.arrays(np.float64, shape, elements=VALUES)) * weights, weights


def same(first, second) -> bool:
    return all(
        np.allclose(getattr(first, part), getattr(second, part), atol=1e-9, equal_nan=True)
        for part in ("value", "low", "high")
    )


@settings(max_examples=60, deadline=None)
@given(scores(seeds=1))
def test_one_training_has_the_interval_of_its_own_report(data):
    sums, weights = data
    means = resampled_means(sums[0], weights[0], STATISTICS.resamples, STATISTICS.seed)
    low, high = percentile_interval(means, STATISTICS.confidence)
    found = pooled(sums, weights, STATISTICS)
    assert np.array_equal(found.low, low, equal_nan=True)
    assert np.array_equal(found.high, high, equal_nan=True)


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
def test_an_interval_holds_its_value_where_there_are_several_trainings(data):
    found = pooled(*data, STATISTICS)
    known = ~np.isnan(found.low) & ((data[1] > 0).any(axis=1).sum(axis=0) > 1)
    assert np.all(found.low[known] <= found.value[known] + 1e-9)
    assert np.all(found.value[known] <= found.high[known] + 1e-9)


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.float64, (3, 4, 2), elements=VALUES), st.floats(0.1, 100))
def test_an_interval_widens_with_the_spread_between_trainings(sums, spread):
    ones = np.ones_like(sums)
    centred = sums - sums.mean(axis=1, keepdims=True)
    near = pooled(centred, ones, STATISTICS)
    apart = pooled(centred + spread * np.array([-1.0, 0.0, 1.0])[:, None, None], ones, STATISTICS)
    assert np.allclose(apart.value, near.value, atol=1e-9)
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
    assert np.all((found.low == 0) | (count < 2))
    assert np.all((found.high == 0) | (count < 2))


@settings(max_examples=60, deadline=None)
@given(scores(seeds=1, prompts=6), VALUES)
def test_a_constant_advantage_is_found_exactly(data, advantage):
    sums, weights = data
    found, shared = difference(sums + advantage * weights, weights, sums, weights, STATISTICS)
    count = shared.sum(axis=0)
    for part in (found.value, found.low, found.high):
        assert np.allclose(part[count >= 2], advantage, atol=1e-6)


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
@given(scores(seeds=1))
def test_an_added_column_has_the_interval_of_what_it_adds_up(data):
    """Resampled as one: its interval is that of the means of both metrics in the same resamples."""
    sums, weights = data
    means = resampled_means(sums[0], weights[0], STATISTICS.resamples, STATISTICS.seed).mean(axis=1, keepdims=True)
    low, high = percentile_interval(means, STATISTICS.confidence)
    alone, found = pooled(sums, weights, STATISTICS), pooled(sums, weights, STATISTICS, with_mean)
    assert np.array_equal(found.low, [*alone.low, *low], equal_nan=True)
    assert np.array_equal(found.high, [*alone.high, *high], equal_nan=True)
    assert np.allclose(found.value[2], alone.value.mean(), equal_nan=True)


@settings(max_examples=60, deadline=None)
@given(scores(seeds=2, prompts=4), scores(seeds=1, prompts=4), VALUES)
def test_a_difference_of_an_added_column_is_that_of_its_parts(first, second, constant):
    found, _ = difference(*first, *second, STATISTICS, with_mean)
    if not np.isnan(found.value[:2]).any() and first[1].any(axis=1).all():
        assert found.value[2] == pytest.approx(found.value[:2].mean(), abs=1e-9)
    opposed = np.concatenate([first[0][..., :1], constant * first[1][..., :1] - first[0][..., :1]], axis=-1)
    weights = np.repeat(first[1][..., :1], 2, axis=-1)
    certain, shared = difference(opposed, weights, 0 * opposed, weights, STATISTICS, with_mean)
    if shared.sum(axis=0)[0] >= 2:  # one metric falls as the other rises: their mean is certain
        for part in (certain.value, certain.low, certain.high):
            assert part[2] == pytest.approx(constant / 2, abs=1e-6)


@pytest.mark.slow
def test_intervals_cover_the_truth_as_often_as_they_say():
    """Three trainings with a spread of their own, forty prompts of different difficulty: coverage about 95 %."""
    generator = np.random.default_rng(1)
    hits, rounds = 0, 400
    for _ in range(rounds):
        training = generator.normal(0, 1, (3, 1, 1))
        prompt = generator.normal(0, 3, (1, 40, 1))
        sums = training + prompt + generator.normal(0, 1, (3, 40, 1))
        found = pooled(sums, np.ones_like(sums), STATISTICS)
        hits += found.low[0] <= 0 <= found.high[0]
    assert 0.92 <= hits / rounds <= 1.0
