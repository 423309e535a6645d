"""What must hold of every verdict, and the cases that have a rule of their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nova_bench.gate.statistics.decision import Verdict, decide, overall
from tests.gate.statistics.cases import continuous, one_sample, several, zero_one

seeds = st.integers(0, 2**32 - 1)
MARGINS = np.array([0.5, 0.1, 2.0, 0.4, 1.0])


def numbers(finding):
    return (finding.estimate, finding.error, finding.low, finding.high, finding.p, finding.p_family, finding.detectable)


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_the_order_of_prompts_and_metrics_does_not_matter(seed: int) -> None:
    generator = np.random.default_rng(seed)
    paired = several(generator)
    prompts, metrics = generator.permutation(10), generator.permutation(3)
    columns = [*metrics, 3, 4]
    moved = replace(
        paired,
        **{
            name: getattr(paired, name)[np.ix_(prompts, metrics)]
            for name in ("differences", "shares", "samples", "gains", "losses")
        },
        slopes=paired.slopes[np.ix_(metrics, columns)],
        gating=paired.gating[columns],
    )
    before, after = decide(paired, MARGINS), decide(moved, MARGINS[columns])
    for finding, column in zip(after, columns, strict=True):
        assert numbers(finding) == pytest.approx(numbers(before[column]), rel=1e-6)
        assert finding.verdict == before[column].verdict


@settings(max_examples=15, deadline=None)
@given(seeds, st.sampled_from([1e-6, 0.25, 1e5]))
def test_units_do_not_matter(seed: int, scale: float) -> None:
    paired = several(np.random.default_rng(seed))
    before = decide(paired, MARGINS)
    for one, other in zip(
        before, decide(replace(paired, differences=paired.differences * scale), MARGINS * scale), strict=True
    ):
        assert (other.p, other.p_family, other.verdict) == (one.p, one.p_family, one.verdict)
        assert (other.low, other.high) == pytest.approx((one.low * scale, one.high * scale), rel=1e-6)


@settings(max_examples=15, deadline=None)
@given(seeds, st.booleans())
def test_swapping_a_and_b_mirrors_the_interval_and_keeps_p(seed: int, binary: bool) -> None:
    generator = np.random.default_rng(seed)
    if binary:
        a, b = (generator.random((2, 20, 3, 1)) < [[[[0.9]]], [[[0.7]]]]).astype(float)
        one, other = (decide(zero_one(*sides), np.array([0.1])) for sides in ((a, b), (b, a)))
    else:
        paired = several(generator)
        one, other = decide(paired, MARGINS), decide(replace(paired, differences=-paired.differences), MARGINS)
    for before, after in zip(one, other, strict=True):
        assert (after.low, after.high) == pytest.approx((-before.high, -before.low), abs=1e-9)
        assert (after.p, after.p_family) == (before.p, before.p_family)


@settings(max_examples=25, deadline=None)
@given(seeds, st.integers(1, 20), st.sampled_from([0.02, 0.5, 0.98]), st.integers(1, 3))
def test_nothing_is_nan_and_an_interval_holds_its_estimate(seed: int, prompts: int, share: float, samples: int) -> None:
    generator = np.random.default_rng(seed)
    a, b = (generator.random((2, prompts, samples, 2)) < share).astype(float)
    slopes = np.array([[1, 0, 0.5], [0, 1, -0.5]])
    scores = zero_one(a, b, slopes)
    for paired in (scores, continuous(scores.differences, slopes=slopes)):
        for finding in decide(paired, np.full(3, 0.05), flips=99):
            assert not np.isnan(numbers(finding)).any()
            assert finding.low <= finding.estimate <= finding.high
            assert finding.error >= 0
            assert 0 < finding.p <= finding.p_family <= 1 or finding.prompts < 6
            assert (finding.p_family <= 0.05) or finding.low <= 0 <= finding.high


@pytest.mark.parametrize(
    ("mean", "spread", "margin", "verdict", "within"),
    [
        (-1.0, 0.5, 0.5, Verdict.REGRESSED, False),
        (-1.0, 0.5, 1.5, Verdict.PASS, True),
        (-0.05, 0.5, 0.5, Verdict.PASS, False),
        (-0.1, 3.0, 0.5, Verdict.INCONCLUSIVE, False),
        (-0.9, 0.5, 1.0, Verdict.INCONCLUSIVE, False),
        (1.0, 0.5, 0.5, Verdict.IMPROVED, False),
    ],
)
def test_verdicts_follow_from_the_interval_and_the_margin(mean, spread, margin, verdict, within) -> None:
    noise = np.random.default_rng(0).normal(size=50)
    noise = (noise - noise.mean()) / noise.std()
    finding = decide(continuous(mean + spread * noise), np.array([margin]))[0]
    assert (finding.verdict, finding.within_margin) == (verdict, within)


def test_equal_differences_are_identical_and_equal_zeros_and_ones_have_the_score_bound() -> None:
    same = decide(continuous(np.zeros(72)), np.array([0.01]))[0]
    assert (same.method, same.low, same.high, same.p, same.verdict) == ("identical", 0.0, 0.0, 1.0, Verdict.PASS)
    square = 1.959963984540054**2
    for samples in (1, 5):
        ones = np.ones((72, samples))
        bound = decide(zero_one(ones, ones), np.array([0.06]))[0]
        assert bound.method == "score bound"
        assert bound.p == 1.0
        if samples == 1:
            assert (bound.low, bound.high) == pytest.approx((-square / (72 + square), square / (72 + square)))
            assert bound.verdict == Verdict.PASS
            tight = decide(zero_one(ones, ones), np.array([0.01]))[0]
            assert tight.verdict == Verdict.INCONCLUSIVE
            assert tight.more_prompts == int(99 * square) + 1


def test_one_prompt_says_nothing_about_others() -> None:
    finding = decide(continuous([-0.4]), np.array([0.1]))[0]
    assert (finding.low, finding.high, finding.p) == (-np.inf, np.inf, 1.0)
    assert (finding.verdict, finding.more_prompts, finding.more_samples) == (Verdict.INCONCLUSIVE, None, None)


def test_a_metric_with_few_prompts_does_not_widen_the_others() -> None:
    generator = np.random.default_rng(0)
    shares = np.full((40, 2), 1 / 40)
    shares[:, 1] = [0.5, 0.5] + [0.0] * 38
    differences = generator.normal(size=(40, 2))
    both = decide(continuous(differences, shares), np.array([0.5, 0.5]))
    alone = decide(continuous(differences[:, 0]), np.array([0.5]))[0]
    assert (both[0].low, both[0].high) == pytest.approx((alone.low, alone.high), rel=0.02)
    assert both[1].verdict == Verdict.INCONCLUSIVE


def test_more_gating_metrics_widen_the_interval_and_information_does_not() -> None:
    differences = np.random.default_rng(1).normal(size=(60, 8))
    margins = np.full(8, 0.5)
    one = decide(continuous(differences[:, :1]), margins[:1])[0]
    eight = decide(continuous(differences), margins)[0]
    informed = decide(continuous(differences, gating=np.arange(8) == 0), margins)[0]
    assert eight.high - eight.low > 1.2 * (one.high - one.low)
    assert (informed.low, informed.high, informed.p_family) == pytest.approx((one.low, one.high, one.p), rel=0.03)


def test_with_one_sample_a_prompt_tango_decides_and_several_samples_that_agree_count_once() -> None:
    single = decide(one_sample(2, 9, 72), np.array([0.1]))[0]
    assert (single.method, single.mcnemar) == ("Tango", pytest.approx(0.0654296875))
    assert single.high == 0.0 or single.high > 0  # the exact test does not reject
    a, b = np.ones((2, 72, 1))
    a[:2], b[2:11] = 0.0, 0.0
    agreeing = decide(zero_one(np.repeat(a, 5, 1), np.repeat(b, 5, 1)), np.array([0.1]))[0]
    assert agreeing.mcnemar is None
    assert (agreeing.low, agreeing.high) == pytest.approx((single.low, single.high), abs=0.01)


def test_a_composite_of_zeros_and_ones_without_differences_is_not_certain() -> None:
    ones = np.ones((40, 1, 2))
    total = decide(zero_one(ones, ones, np.array([[1, 0, 0.5], [0, 1, 0.5]])), np.full(3, 0.01))
    assert total[2].method == "score bound"
    assert total[2].low == pytest.approx(total[0].low * 0.5**0.5 * stats.t.ppf(0.975, 39) / stats.norm.ppf(0.975))
    assert total[2].verdict == Verdict.INCONCLUSIVE


def test_overall_is_the_first_of_the_order() -> None:
    order = [Verdict.REGRESSED, Verdict.NOT_COMPARABLE, Verdict.INCONCLUSIVE, Verdict.PASS, Verdict.IMPROVED]
    for index in range(len(order)):
        assert overall(order[index:][::-1]) == order[index]
    assert overall([]) == Verdict.NOT_COMPARABLE
