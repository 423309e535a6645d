"""Learning rates, averaged weights, weight decay groups."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from nova_bench.train.optimization import AveragedWeights, Optimizer, Precision, rate_fraction
from nova_bench.train.spec import OptimizationSpec


def spec(**changes) -> OptimizationSpec:
    return OptimizationSpec(
        **{"steps": 100, "learning_rate": 2.0, "warmup_steps": 10, "final_fraction": 0.1, **changes}
    )


def test_cosine_rises_falls_and_ends_at_its_fraction() -> None:
    rates = [rate_fraction(spec(), step) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == pytest.approx(1.0)
    assert rates[55] == pytest.approx((1.0 + 0.1) / 2)
    assert rates[100] == pytest.approx(0.1)
    assert rates[10:] == sorted(rates[10:], reverse=True)


@given(st.integers(0, 500), st.integers(0, 50))
def test_constant_stays_at_its_peak_after_warmup(step: int, warmup: int) -> None:
    rate = rate_fraction(spec(schedule="constant", warmup_steps=warmup), step)
    assert rate == pytest.approx(min(1.0, (step + 1) / max(warmup, 1)))


@given(st.integers(0, 200), st.integers(0, 120), st.floats(0, 1))
def test_rate_never_leaves_its_range(step: int, warmup: int, fraction: float) -> None:
    rate = rate_fraction(spec(warmup_steps=warmup, final_fraction=fraction), step)
    assert 0 <= rate <= 1 + 1e-12
    assert step < warmup or rate >= fraction * (1 - 1e-12)


def moved(module: nn.Module, outer: tuple[str, ...] = (), **changes) -> dict[str, torch.Tensor]:
    """By how much one step with zero loss gradient but on `weight`s of ones moves each parameter."""
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    settings = spec(**{"learning_rate": 0.1, "warmup_steps": 0, **changes})
    optimizer = Optimizer(settings, module, outer, Precision("fp32", "cpu"))
    norm, rate = optimizer.step(sum((p * p).sum() for p in module.parameters()) / 2, 0)
    assert norm > 0
    assert rate == pytest.approx(0.1)
    return {name: p.detach() - before[name] for name, p in module.named_parameters()}


def test_decay_spares_biases_norms_and_vectors() -> None:
    def module() -> nn.Module:
        torch.manual_seed(0)
        made = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))
        made.token = nn.Parameter(torch.ones(1, 4))
        return made

    without, with_decay = moved(module(), weight_decay=0.0), moved(module(), weight_decay=0.3)
    changed = {name for name in without if not torch.equal(without[name], with_decay[name])}
    assert changed == {"0.weight"}


def test_muon_moves_hidden_kernels_along_orthogonal_directions() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(4, 4))
    with torch.no_grad():
        module[1].weight[0] *= 20
    steps = moved(module, outer=("0.",), muon_learning_rate=0.05, weight_decay=0.0)
    assert steps["0.weight"].abs().mean() == pytest.approx(0.1, rel=0.01)  # AdamW's first step is the rate itself
    values = torch.linalg.svdvals(steps["1.weight"].flatten(1))
    assert values.max() < 2 * values.min()
    gradient = torch.linalg.svdvals(module[1].weight.detach().flatten(1) - steps["1.weight"].flatten(1))
    assert gradient.max() > 10 * gradient.min()  # which the gradient, here the weights themselves, is not
    assert steps["2.bias"].abs().mean() == pytest.approx(0.1, rel=0.01)


def test_a_resumed_optimizer_goes_on_as_if_never_stopped() -> None:
    def optimizer(module: nn.Module) -> Optimizer:
        settings = spec(learning_rate=0.1, muon_learning_rate=0.05, warmup_steps=0)
        return Optimizer(settings, module, (), Precision("fp32", "cpu"))

    torch.manual_seed(0)
    straight, resumed = nn.Linear(3, 3), nn.Linear(3, 3)
    whole = optimizer(straight)
    for step in range(4):
        if step == 2:
            resumed.load_state_dict(straight.state_dict())
            rest = optimizer(resumed)
            # A real resume reads a file; the state must not share memory with what trains on.
            rest.load_state_dict(copy.deepcopy(whole.state_dict()))
        whole.step(straight(torch.ones(3)).square().sum(), step)
    for step in (2, 3):
        rest.step(resumed(torch.ones(3)).square().sum(), step)
    assert all(torch.equal(a, b) for a, b in zip(straight.parameters(), resumed.parameters(), strict=True))


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
