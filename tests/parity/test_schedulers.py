"""Diffusion schedules against vectors of the official pipeline's schedulers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nova_bench.nova.schedulers import DDPMSchedule, FlowMatchEulerSchedule
from tests.parity.tolerances import assert_close

VECTORS = Path(__file__).parent / "vectors" / "scheduler"
CASES = json.loads((VECTORS / "cases.json").read_text())


@pytest.fixture(scope="module")
def vectors() -> dict[str, torch.Tensor]:
    return load_file(VECTORS / "vectors.safetensors")


@pytest.mark.parametrize("case", CASES["flow_match"], ids=lambda case: case["key"])
def test_flow_matching(vectors, case):
    key = case["key"]
    schedule = FlowMatchEulerSchedule({"shift": case["config_shift"]})
    schedule.set_timesteps(case["steps"], shift=case["set_shift"])
    assert schedule.timestep_values == case["timesteps"]
    assert schedule.sigmas.tolist() == case["sigmas"]
    velocity, sample = vectors[f"{key}.v"], vectors[f"{key}.x"]
    assert_close("latents", schedule.step(velocity, 0, sample), vectors[f"{key}.prev_first"])
    for index in range(case["steps"]):
        sample = schedule.step(velocity, index, sample)
    assert_close("latents", sample, vectors[f"{key}.prev_all"])


@pytest.mark.parametrize("case", CASES["ddpm"], ids=lambda case: case["key"])
def test_ddpm(vectors, case):
    key = case["key"]
    schedule = DDPMSchedule(case["config"])
    schedule.set_timesteps(case["steps"])
    assert schedule.timesteps.tolist() == case["timesteps"]
    assert torch.equal(schedule.alphas_cumprod, vectors[key.rsplit(".", 1)[0] + ".alphas_cumprod"])

    start, predicted = vectors[f"{key}.x"], vectors[f"{key}.eps"]
    noise = torch.randn(start.shape, generator=torch.Generator().manual_seed(case["mid_noise_seed"]))
    assert_close("latents", schedule.step(predicted, case["mid_index"], start, noise), vectors[f"{key}.prev_mid"])

    generator = torch.Generator().manual_seed(case["chain_noise_seed"])
    sample = start
    for index in range(case["steps"]):
        noise = torch.randn(start.shape, generator=generator) if schedule.needs_noise(index) else None
        sample = schedule.step(0.1 * sample, index, sample, noise)
    assert_close("latents", sample, vectors[f"{key}.chain"])
