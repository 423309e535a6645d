"""Looks before the end: which prompts they have, what they may spend, and that it adds up to the error probability."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nova_bench.gate.statistics.boundary import Boundary
from nova_bench.gate.statistics.decision import Verdict, decide
from nova_bench.gate.statistics.looks import LEAST_FLIPS, Looks, ends, flips_for, nested_order, obrien_fleming
from nova_bench.gate.statistics.paired import Paired
from tests.gate.statistics.cases import continuous

ALL = np.ones((200, 1), bool)


def first(paired: Paired, at: np.ndarray) -> Paired:
    """The prompts of a look."""
    cut = {name: getattr(paired, name)[at] for name in ("differences", "shares", "samples", "gains", "losses")}
    cut["shares"] = cut["shares"] / cut["shares"].sum(axis=0)
    return replace(paired, **cut)


def test_spending_is_o_brien_and_flemings() -> None:
    assert [obrien_fleming(share, 0.05) for share in (0.5, 0.75, 1.0)] == pytest.approx(
        [0.00557, 0.02362, 0.05], abs=1e-5
    )
    assert flips_for(obrien_fleming(0.5, 0.05)) + 1 == pytest.approx(LEAST_FLIPS / 0.005575, rel=1e-3)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_look_keeps_each_metrics_share_of_the_prompts(seed: int) -> None:
    generator = np.random.default_rng(seed)
    sizes = generator.integers(4, 40, 5)
    metrics = np.repeat(np.eye(5, dtype=bool), sizes, axis=0)[generator.permutation(sizes.sum())]
    order = nested_order(metrics, generator)
    assert sorted(order) == list(range(len(metrics)))
    for share in (0.5, 0.75):
        part = metrics[order[: round(share * len(order))]].sum(axis=0)
        assert (np.abs(part - share * sizes) <= 2).all()


def test_the_last_of_one_look_is_the_plain_decision() -> None:
    paired = continuous(np.random.default_rng(0).normal(0.3, size=12))
    looks = Looks(np.ones((12, 1), bool), shares=(1.0,))
    plain, looked = (
        decide(paired, np.array([0.2]))[0],
        looks.decide(first(paired, looks.prompts(0)), np.array([0.2]))[0],
    )
    assert (looked.p, looked.p_error) == (plain.p, 0.0)
    assert (looked.low, looked.high) == pytest.approx((plain.low, plain.high))


def test_thresholds_of_all_looks_together_are_exceeded_as_often_as_is_spent() -> None:
    generator = np.random.default_rng(5)
    steps = generator.normal(size=(3, 20_000, 1)).cumsum(axis=0)
    values = np.abs(steps / np.sqrt([[[1]], [[2]], [[3]]]))
    boundary, outside = Boundary(), np.zeros(20_000, bool)
    for value, spent in zip(values, (0.01, 0.02, 0.05), strict=True):
        threshold = boundary.next(value, spent)
        outside |= value[:, 0] > threshold[0]
        assert outside.sum() == int(spent * 20_000)
    assert threshold[0] > stats.norm.ppf(0.975)  # later looks pay for earlier ones


def test_a_clear_loss_ends_the_run_at_the_first_look_and_an_unclear_one_takes_all() -> None:
    noise = np.random.default_rng(1).normal(size=200)
    for mean, margin, last in ((-1.0, 0.5, 0), (0.0, 0.5, 0), (0.0, 0.1, 2)):
        looks, paired = Looks(ALL), continuous(noise - noise.mean() + mean)
        for look in range(3):
            verdicts = [f.verdict for f in looks.decide(first(paired, looks.prompts(look)), np.array([margin]))]
            if ends(verdicts):
                break
        assert (look, looks.done) == (last, last + 1)
    assert verdicts == [Verdict.INCONCLUSIVE]


def test_early_looks_have_wider_intervals_for_their_prompts() -> None:
    paired = continuous(np.random.default_rng(2).normal(size=200))
    looks = Looks(ALL)
    part = first(paired, looks.prompts(0))
    assert looks.decide(part, np.array([0.5]))[0].quantile > 1.3 * decide(part, np.array([0.5]))[0].quantile


def test_a_metric_that_has_too_few_prompts_at_first_counts_later() -> None:
    generator = np.random.default_rng(4)
    metrics = np.ones((80, 2), bool)
    metrics[8:, 1] = False
    shares = metrics / metrics.sum(axis=0)
    noise = generator.normal(size=(80, 2))
    paired = continuous((noise - noise[:8].mean(axis=0)) / 10 - [0, 1], shares)
    looks = Looks(metrics)
    found = [looks.decide(first(paired, looks.prompts(look)), np.full(2, 0.5))[1] for look in range(3)]
    assert [finding.prompts for finding in found] == [4, 6, 8]
    assert [finding.verdict == Verdict.REGRESSED for finding in found] == [False, False, True]


def test_looks_that_were_not_planned_are_refused() -> None:
    paired = continuous(np.zeros(200))
    with pytest.raises(ValueError, match="look 1 has 100 prompts, not 200"):
        Looks(ALL).decide(paired, np.array([0.5]))
    for shares in ((), (0.5,), (0.75, 0.5, 1.0), (0.0, 1.0)):
        with pytest.raises(ValueError, match="must rise to 1"):
            Looks(ALL, shares=shares)


def test_ends() -> None:
    assert ends([Verdict.REGRESSED, Verdict.INCONCLUSIVE])
    assert ends([Verdict.PASS, Verdict.IMPROVED])
    assert not ends([Verdict.PASS, Verdict.INCONCLUSIVE])
