"""What a comparison says it can detect, and what would decide it, against the comparison itself."""

from __future__ import annotations

from math import ceil, floor

import numpy as np
import pytest

from nova_bench.gate.statistics.decision import Verdict, decide
from nova_bench.gate.statistics.power import error_without_change, family_quantile, power_against_margin
from tests.gate.statistics.cases import continuous, one_sample, zero_one


def repeated(differences: np.ndarray, prompts: int) -> np.ndarray:
    """The same differences, so often that there are this many."""
    return np.resize(differences, prompts)


@pytest.mark.parametrize(("mean", "margin"), [(0.0, 0.17), (-0.1, 0.28), (-0.18, 0.15)])
def test_as_many_prompts_as_it_says_decide_and_some_fewer_do_not(mean: float, margin: float) -> None:
    noise = np.random.default_rng(0).normal(size=60)
    differences = (noise - noise.mean()) / noise.std() + mean
    finding = decide(continuous(differences), np.array([margin]))[0]
    assert finding.verdict == Verdict.INCONCLUSIVE
    assert finding.more_prompts
    times = finding.more_prompts / 60
    assert times > 1.2
    for prompts, decided in ((60 * ceil(times * 1.1), True), (60 * floor(times * 0.9), False)):
        again = decide(continuous(repeated(differences, prompts)), np.array([margin]))[0]
        assert (again.verdict != Verdict.INCONCLUSIVE) == decided


def test_more_prompts_without_any_difference_are_exactly_as_many_as_the_score_bound_needs() -> None:
    finding = decide(one_sample(0, 0, 72), np.array([0.03]))[0]
    assert finding.more_prompts
    assert decide(one_sample(0, 0, finding.more_prompts), np.array([0.03]))[0].verdict == Verdict.PASS
    assert decide(one_sample(0, 0, finding.more_prompts - 1), np.array([0.03]))[0].verdict == Verdict.INCONCLUSIVE


def test_more_samples_only_help_if_samples_are_what_varies() -> None:
    generator = np.random.default_rng(1)
    samples = generator.normal(size=(80, 2))
    means = samples.mean(axis=1) - samples.mean()
    within = samples.var(axis=1, ddof=1).mean()
    margins = np.array([0.12])
    noisy = decide(continuous(means, samples=2.0, spread=within), margins)[0]
    assert noisy.verdict == Verdict.INCONCLUSIVE
    # All variance is within prompts, so twice the prompts or twice the samples halve it.
    assert noisy.more_prompts
    assert noisy.more_samples
    assert noisy.more_samples / 2 == pytest.approx(noisy.more_prompts / 80, rel=0.35)
    fixed = decide(continuous(means, samples=2.0, spread=1e-6), margins)[0]
    assert (fixed.more_samples, fixed.more_prompts) == (None, noisy.more_prompts)
    unknown = decide(continuous(means, samples=1.0), margins)[0]
    assert unknown.more_samples is None


def test_the_detectable_difference_is_found_in_four_of_five_cases() -> None:
    generator = np.random.default_rng(2)
    pilot = decide(continuous(generator.normal(size=100)), np.array([0.01]))[0]
    scale = pilot.error * 10
    losses = generator.normal(-pilot.detectable, scale, size=(300, 100))
    found = [decide(continuous(loss), np.array([0.01]), flips=199)[0].high < 0 for loss in losses]
    assert np.mean(found) == pytest.approx(0.8, abs=0.08)


def test_sampling_error_alone_and_the_power_that_follows() -> None:
    generator = np.random.default_rng(3)
    rights = generator.random((100, 4, 1)) < 0.5
    again = generator.random((100, 4, 1)) < 0.5
    paired = zero_one(rights, again, slopes=np.array([[1.0, -2.0]]))
    errors = error_without_change(paired)
    assert errors == pytest.approx(np.array([1, 2]) * (0.5 / 400) ** 0.5, rel=0.1)
    assert errors == pytest.approx(paired.errors, rel=0.2)
    assert np.isnan(error_without_change(one_sample(1, 1, 9))).all()
    quantile = family_quantile(1, 0.05)
    assert quantile == pytest.approx(1.96, abs=1e-3)
    assert power_against_margin(errors, errors * (quantile + 0.8416), quantile) == pytest.approx(0.8, abs=1e-3)
    assert power_against_margin(np.zeros(1), np.ones(1), quantile) == 1.0
