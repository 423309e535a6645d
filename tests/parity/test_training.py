"""The training loss and every parameter's gradient norm against the original implementation (float32, CPU)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from nova_bench.nova import Observer
from nova_bench.nova.loading import load_transformer
from nova_bench.nova.schedulers import load_scheduler
from nova_bench.nova.training import training_loss
from tests.parity.tolerances import TOLERANCES, assert_close

VECTORS = Path(__file__).parent / "vectors"
CASES = json.loads((VECTORS / "train_loss" / "cases.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=[case["model"] for case in CASES])
def test_loss_and_gradients(case):
    folder = VECTORS / case["model"] / "pipeline"
    model = load_transformer(folder / "transformer", torch.float32).requires_grad_(True)
    vectors = load_file(VECTORS / "train_loss" / case["file"])
    seen = {}
    observer = Observer()
    observer.record = seen.__setitem__
    losses = training_loss(
        model,
        load_scheduler(folder / "scheduler"),
        vectors["x"],
        [vectors["prompt.0"], vectors["prompt.1"]],
        case["motion_flow"],
        loss_repeat=case["loss_repeat"],
        numpy_random=np.random.RandomState(case["numpy_seed"]),
        generator=torch.Generator().manual_seed(case["torch_seed"]),
        observer=observer,
    )
    assert torch.equal(seen["mask"], vectors["mask"].squeeze(-1))
    assert torch.equal(seen["noise"], vectors["noise"])
    assert torch.equal(seen["timestep_index"], vectors["timestep_index"])
    for name, expected in case["loss"].items():
        assert_close("loss", losses[name].detach(), torch.tensor(expected))
    sum(losses.values()).backward()
    # Without earlier frames nothing passes through the temporal patch embedding.
    norms = {name: 0.0 if p.grad is None else p.grad.norm().item() for name, p in model.named_parameters()}
    assert set(norms) == set(case["grad_norms"])
    absolute, relative = TOLERANCES["gradient_norm"]
    for name, expected in case["grad_norms"].items():
        assert abs(norms[name] - expected) <= absolute + relative * expected, name
