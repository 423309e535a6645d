"""Learning rates, averaged weights, weight decay groups."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from nova_bench.train.optimization import AveragedWeights, learning_rate, make_optimizer
from nova_bench.train.spec import OptimizationSpec


def spec(**changes) -> OptimizationSpec:
    return OptimizationSpec(
        **{"steps": 100, "learning_rate": 2.0, "warmup_steps": 10, "final_fraction": 0.1, **changes}
    )


def test_cosine_rises_falls_and_ends_at_its_fraction() -> None:
    rates = [learning_rate(spec(), step) for step in range(101)]
    assert rates[0] == pytest.approx(0.2)
    assert rates[9] == rates[10] == pytest.approx(2.0)
    assert rates[55] == pytest.approx((2.0 + 0.2) / 2)
    assert rates[100] == pytest.approx(0.2)
    assert rates[10:] == sorted(rates[10:], reverse=True)


@given(st.integers(0, 500), st.integers(0, 50))
def test_constant_stays_at_its_peak_after_warmup(step: int, warmup: int) -> None:
    rate = learning_rate(spec(schedule="constant", warmup_steps=warmup), step)
    assert rate == pytest.approx(2.0 * min(1.0, (step + 1) / max(warmup, 1)))


@given(st.integers(0, 200), st.integers(0, 120), st.floats(0, 1))
def test_rate_never_leaves_its_range(step: int, warmup: int, fraction: float) -> None:
    rate = learning_rate(spec(warmup_steps=warmup, final_fraction=fraction), step)
    assert 0 <= rate <= 2.0 * (1 + 1e-12)
    assert step < warmup or rate >= 2.0 * fraction * (1 - 1e-12)


def test_decay_spares_biases_norms_and_vectors() -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))
    module.token = nn.Parameter(torch.zeros(1, 4))
    decayed, spared = make_optimizer(spec(weight_decay=0.3), module).param_groups
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.3, 0.0)
    assert [tuple(p.shape) for p in decayed["params"]] == [(2, 3)]
    assert len(spared["params"]) == 4


def test_average_follows_its_recursion() -> None:
    module = nn.Linear(1, 1, bias=False)
    nn.init.constant_(module.weight, 0.0)
    average = AveragedWeights(module, decay=0.5)
    expected = 0.0
    for step in range(20):
        nn.init.constant_(module.weight, float(step))
        average.update(module, step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    assert average.weights["weight"].item() == pytest.approx(expected, rel=1e-6)
    average.copy_to(module)
    assert module.weight.item() == pytest.approx(expected, rel=1e-6)
