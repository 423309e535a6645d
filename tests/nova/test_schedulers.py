"""Diffusion schedules against the classes of diffusers over their configs, and the library's own rules."""

from __future__ import annotations

import json
import warnings

import pytest
import torch
from diffusers import DDPMScheduler, FlowMatchEulerDiscreteScheduler
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_bench.nova.errors import ArrangementError, CheckpointError
from nova_bench.nova.schedulers import DDPMSchedule, FlowMatchEulerSchedule, load_scheduler

SHAPE = (2, 4, 3, 5)
STEPS = st.integers(2, 60)


def assert_same_chain(ours, reference, n: int) -> None:
    """Run both chains on the same predictions and noise; states may differ by rounding only."""
    assert ours.timesteps.tolist() == reference.timesteps.tolist()
    draw = torch.Generator().manual_seed(n)
    sample = torch.randn(SHAPE, generator=draw)
    for index, timestep in enumerate(reference.timesteps):
        output = torch.randn(SHAPE, generator=draw)
        seed = torch.Generator().manual_seed(index)
        expected = reference.step(output, timestep, sample, generator=seed, return_dict=False)[0]
        seed = torch.Generator().manual_seed(index)
        noise = torch.randn(SHAPE, generator=seed) if ours.needs_noise(index) else None
        got = ours.step(output, index, sample, noise)
        scale = max(1.0, expected.abs().max().item(), sample.abs().max().item())
        assert (got - expected).abs().max().item() <= 5e-6 * scale
        sample = expected


FLOW = st.fixed_dictionaries(
    {"shift": st.floats(0.2, 8.0)},
    optional={
        "num_train_timesteps": st.sampled_from([100, 1000]),
        "stochastic_sampling": st.booleans(),
        "shift_terminal": st.floats(0.02, 0.3),
        "invert_sigmas": st.booleans(),
    },
)


@settings(max_examples=40, deadline=None)
@given(config=FLOW, spacing=st.sampled_from([None, "karras", "exponential", "beta"]), n=STEPS, shift=st.floats(0.3, 6))
def test_flow_matching_is_that_of_diffusers(config, spacing, n, shift):
    if spacing:
        config = {**config, f"use_{spacing}_sigmas": True}
    reference, ours = FlowMatchEulerDiscreteScheduler(**config), FlowMatchEulerSchedule(config)
    for _ in range(2):  # with the config's shift, then with one that was set
        reference.set_timesteps(n)
        ours.set_timesteps(n)
        torch.testing.assert_close(ours.timesteps, reference.timesteps, rtol=1e-6, atol=1e-5)
        torch.testing.assert_close(ours.sigmas, reference.sigmas, rtol=1e-6, atol=1e-7)
        if torch.equal(ours.timesteps, reference.timesteps):
            assert_same_chain(ours, reference, n)
        reference.set_shift(shift)
        ours.set_shift(shift)


DDPM = st.fixed_dictionaries(
    {
        "beta_schedule": st.sampled_from(["linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid"]),
        "prediction_type": st.sampled_from(["epsilon", "sample", "v_prediction"]),
        "timestep_spacing": st.sampled_from(["leading", "trailing", "linspace"]),
    },
    optional={
        "beta_start": st.floats(1e-5, 1e-3),
        "beta_end": st.floats(5e-3, 3e-2),
        "clip_sample": st.booleans(),
        "clip_sample_range": st.floats(0.5, 4.0),
        "steps_offset": st.sampled_from([0, 1]),
        "variance_type": st.sampled_from(["fixed_small", "fixed_small_log", "fixed_large"]),
    },
)


@settings(max_examples=60, deadline=None)
@given(config=DDPM, n=STEPS)
def test_ddpm_is_that_of_diffusers(config, n):
    reference, ours = DDPMScheduler(**config), DDPMSchedule(config)
    assert torch.equal(ours.alphas_cumprod, reference.alphas_cumprod)
    reference.set_timesteps(n)
    ours.set_timesteps(n)
    assert_same_chain(ours, reference, n)


@pytest.mark.parametrize("prediction_type", ["sample", "v_prediction"])
def test_zero_terminal_snr_and_trained_betas_are_those_of_diffusers(prediction_type):
    config = {
        "prediction_type": prediction_type,
        "rescale_betas_zero_snr": True,
        "timestep_spacing": "trailing",
        "num_train_timesteps": 50,
        "trained_betas": torch.linspace(1e-3, 0.05, 50).tolist(),
    }
    reference, ours = DDPMScheduler(**config), DDPMSchedule(config)
    reference.set_timesteps(10)
    ours.set_timesteps(10)
    assert ours.alphas_cumprod[-1] == 0
    assert_same_chain(ours, reference, 10)


@settings(max_examples=20, deadline=None)
@given(
    schedule=st.sampled_from(["linear", "squaredcos_cap_v2"]),
    indices=st.lists(st.integers(0, 999), min_size=2, max_size=2),
)
def test_ddpm_training_noise_and_targets_are_those_of_diffusers(schedule, indices):
    x, noise = torch.randn(2, 6, 4), torch.randn(2, 6, 4)
    index = torch.tensor(indices)
    reference = DDPMScheduler(beta_schedule=schedule)
    epsilon = DDPMSchedule({"beta_schedule": schedule})
    velocity = DDPMSchedule({"beta_schedule": schedule, "prediction_type": "v_prediction"})
    torch.testing.assert_close(epsilon.add_noise(x, noise, index), reference.add_noise(x, noise, index))
    torch.testing.assert_close(velocity.target(x, noise, index), reference.get_velocity(x, noise, index))
    assert epsilon.target(x, noise) is noise
    assert epsilon.training_timesteps(index).tolist() == indices


def test_flow_training_noise_lies_on_the_straight_path():
    schedule = FlowMatchEulerSchedule()
    index = schedule.sample_training_index((64, 50), generator=torch.Generator().manual_seed(0))
    assert index.dtype == torch.int64
    assert index.min() >= 0
    assert index.max() <= 999
    # sigmoid(N(0, 1)) has median one half and about 15.9 % of its mass below sigmoid(-1) = 0.269
    assert abs(index.float().median().item() - 500) < 25
    assert abs((index < 269).float().mean().item() - 0.159) < 0.02
    x, noise = torch.randn(64, 50, 16), torch.randn(64, 50, 16)
    sigma = (schedule.training_timesteps(index) / 1000).unsqueeze(-1)
    noisy = schedule.add_noise(x, noise, index)
    torch.testing.assert_close(noisy - sigma * schedule.target(x, noise), x)


@pytest.mark.parametrize("schedule", [FlowMatchEulerSchedule(), DDPMSchedule({"clip_sample": False})])
def test_a_perfect_prediction_leads_to_the_data(schedule):
    """With the true target at every step the chain ends at the data it was noised from."""
    x = torch.rand(2, 4, 3) * 2 - 1
    schedule.set_timesteps(50)
    first = 0 if isinstance(schedule, FlowMatchEulerSchedule) else schedule.timesteps[0].item()
    sample = schedule.add_noise(x, torch.randn_like(x), torch.tensor(first))
    generator = torch.Generator().manual_seed(1)
    for index, timestep in enumerate(schedule.timestep_values):
        if isinstance(schedule, FlowMatchEulerSchedule):
            output = (sample - x) / (timestep / 1000)
        else:
            a = schedule.alphas_cumprod[int(timestep)]
            output = (sample - a.sqrt() * x) / (1 - a).sqrt()
        noise = torch.randn(x.shape, generator=generator) if schedule.needs_noise(index) else None
        sample = schedule.step(output, index, sample, noise)
    torch.testing.assert_close(sample, x, rtol=0, atol=2e-4)


def test_a_shift_for_one_chain_does_not_stick_and_set_shift_does():
    schedule = FlowMatchEulerSchedule()
    schedule.set_timesteps(5)
    plain = schedule.timestep_values
    schedule.set_timesteps(5, shift=3.0)
    shifted = schedule.timestep_values
    assert shifted != plain
    schedule.set_timesteps(5)
    assert schedule.timestep_values == plain
    schedule.set_shift(3.0)
    schedule.set_timesteps(5)
    assert schedule.timestep_values == shifted


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("schedule", [FlowMatchEulerSchedule(), DDPMSchedule()])
def test_step_returns_the_type_of_the_model_output(schedule, dtype):
    schedule.set_timesteps(4)
    x = torch.randn(SHAPE, dtype=dtype)
    assert schedule.step(x, 0, x, x).dtype == dtype


def test_trailing_spacing_has_no_step_below_zero():
    # 61 * (1000 / 61) rounds below 1000, so the naive range has a 62nd entry, -1
    schedule = DDPMSchedule({"timestep_spacing": "trailing"})
    schedule.set_timesteps(61)
    assert len(schedule.timestep_values) == 61
    assert min(schedule.timestep_values) >= 0


@pytest.mark.parametrize("name", ["FlowMatchEulerDiscreteScheduler", "DDPMScheduler"])
def test_saved_config_loads_here_and_in_diffusers(tmp_path, name):
    schedule = load_scheduler({"_class_name": name, "num_train_timesteps": 500})
    schedule.save_pretrained(tmp_path)
    assert load_scheduler(tmp_path).config == schedule.config
    assert load_scheduler(tmp_path / "scheduler_config.json").config == schedule.config
    theirs = {"DDPMScheduler": DDPMScheduler, name: FlowMatchEulerDiscreteScheduler} | {"DDPMScheduler": DDPMScheduler}
    assert theirs[name].from_pretrained(tmp_path).config.num_train_timesteps == 500


def test_class_name_may_come_from_the_model_index():
    assert isinstance(load_scheduler({"shift": 2.0}, "FlowMatchEulerDiscreteScheduler"), FlowMatchEulerSchedule)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"_class_name": "EulerScheduler"}, "EulerScheduler.*isn't supported"),
        ({}, "None isn't supported"),
        ({"_class_name": "DDPMScheduler", "thresholding": True}, "thresholding isn't supported"),
        ({"_class_name": "DDPMScheduler", "variance_type": "learned_range"}, "variance_type 'learned_range'"),
        ({"_class_name": "DDPMScheduler", "prediction_type": "flow"}, "prediction_type 'flow'"),
        ({"_class_name": "DDPMScheduler", "timestep_spacing": "log"}, "timestep_spacing 'log'"),
        ({"_class_name": "DDPMScheduler", "beta_schedule": "cubic"}, "beta_schedule 'cubic'"),
        ({"_class_name": "DDPMScheduler", "trained_betas": [0.1]}, "1 entries for 1000"),
        ({"_class_name": "FlowMatchEulerDiscreteScheduler", "use_dynamic_shifting": True}, "use_dynamic_shifting"),
        ({"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 0}, "shift must be positive"),
        (
            {"_class_name": "FlowMatchEulerDiscreteScheduler", "use_karras_sigmas": True, "use_beta_sigmas": True},
            "karras and beta",
        ),
    ],
)
def test_unsupported_settings_are_named(config, message):
    with pytest.raises(ArrangementError, match=message):
        load_scheduler(config)


def test_unusable_chains_are_named():
    ddpm, flow = DDPMSchedule({"steps_offset": 1}), FlowMatchEulerSchedule()
    with pytest.raises(ArrangementError, match="flow_shift"):
        ddpm.set_timesteps(10, shift=2.0)
    with pytest.raises(ArrangementError, match=r"1\.\.1000"):
        ddpm.set_timesteps(1001)
    with pytest.raises(ArrangementError, match="steps_offset 1"):
        ddpm.set_timesteps(1000)
    with pytest.raises(ArrangementError, match="at least 1"):
        flow.set_timesteps(0)
    with pytest.raises(ArrangementError, match="positive"):
        flow.set_timesteps(4, shift=-1.0)
    with pytest.raises(ArrangementError, match="set_timesteps first"):
        flow.step(torch.zeros(1), 0, torch.zeros(1))
    zero_snr = DDPMSchedule({"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"})
    with pytest.raises(ArrangementError, match="no signal is left"):
        zero_snr.set_timesteps(10)
    ddpm.set_timesteps(10)
    with pytest.raises(ArrangementError, match="needs noise"):
        ddpm.step(torch.zeros(1), 0, torch.zeros(1))


def test_unreadable_files_are_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"scheduler_config\.json"):
        load_scheduler(tmp_path)
    path = tmp_path / "scheduler_config.json"
    for text, message in [("{", "not valid JSON"), ("[1]", "found list")]:
        path.write_text(text)
        with pytest.raises(CheckpointError, match=message):
            load_scheduler(path)


def test_unknown_fields_warn_and_survive(tmp_path):
    config = {"_class_name": "DDPMScheduler", "_diffusers_version": "0.30.0", "beta_shedule": "linear"}
    with pytest.warns(UserWarning, match="beta_shedule"):
        schedule = load_scheduler(config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schedule.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "scheduler_config.json").read_text())["beta_shedule"] == "linear"
