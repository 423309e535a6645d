"""Architectures with random weights: how large they are is known without torch, and told before they are made."""

from __future__ import annotations

import pytest
import torch

from nova_bench.core.errors import UserError
from nova_bench.experiments.latency import subject
from nova_bench.experiments.latency.spec import Setting
from nova_bench.models.nova import NovaSpec
from nova_bench.models.published import CHECKPOINTS
from nova_bench.models.random_weights import PARAMETERS, RANDOM_NAMES, random_pipeline, weight_bytes


@pytest.mark.parametrize("name", RANDOM_NAMES)
def test_stated_parameters_are_those_of_the_networks(name: str) -> None:
    pipeline = random_pipeline(name, torch.float16, "meta")
    networks = {"transformer": pipeline.transformer, "text encoder": pipeline.text_encoder, "autoencoder": pipeline.vae}
    counted = {part: sum(p.numel() for p in network.parameters()) for part, network in networks.items()}
    assert counted == PARAMETERS[name]
    stored = sum(p.numel() * p.element_size() for network in networks.values() for p in network.parameters())
    assert stored == weight_bytes(name, "float16")


@pytest.mark.parametrize("name", [name for name, checkpoint in CHECKPOINTS.items() if checkpoint.repo_id])
def test_every_published_size_can_be_planned(cli, name: str) -> None:
    options = ("--set", "setting.num_frames=1", "--set", "curves=[]")
    result = cli("plan", "latency", "--model", f"{name}@random", *options)
    assert result.returncode == 0, result.stderr
    assert f"transformer {PARAMETERS[name]['transformer']:,}, text encoder 2,648,560,640" in result.stdout
    assert "memory of the weights alone: " in result.stdout
    assert "GB in float16" in result.stdout


def test_what_does_not_fit_is_refused_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "free_memory", lambda device: 16_000_000_000)
    monkeypatch.setattr(subject, "load_pipeline", lambda *_: pytest.fail("weights were made"))
    large = subject.Subject(NovaSpec(checkpoint="nova-1.4b-t2i", random_weights=True), "cpu", print)
    with pytest.raises(UserError, match=r"float32: 16.7 GB of weights, but 16.0 GB of memory are free"):
        large.pipeline(Setting(num_frames=1))
