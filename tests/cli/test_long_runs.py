"""A run that may take more than an hour is asked about first; without a terminal it ends with the option's name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nova_bench.cli.run import run
from nova_bench.config.suite import SamplingSpec
from nova_bench.core import remembered_digests
from nova_bench.core.errors import ExitCode
from nova_bench.core.progress import Silence
from nova_bench.experiments.base import Request
from nova_bench.experiments.latency.flops import _head, _spatial, temporal_flops
from nova_bench.experiments.registry import preview_request
from nova_bench.models.generation_cost import generation_gflop
from nova_bench.models.nova import NovaSpec
from nova_bench.nova import NOVAConfig
from nova_bench.nova.guidance import autoregressive_schedule
from nova_bench.pipeline.operations import peak_tflops
from nova_bench.pipeline.run_time import CPU_RATE, Device, estimated_device

ROOT = Path(__file__).parents[2]


def test_a_long_run_names_the_option_before_anything_is_made(cli: Callable, tmp_path: Path) -> None:
    result = cli("run", "vbench", "--model", "nova-tiny", "--device", "cpu")
    assert result.returncode == 2
    assert "error: vbench: estimated at " in result.stderr
    assert "--yes runs it" in result.stderr
    assert not (tmp_path / "runs").exists()


def test_a_short_run_is_not_asked_about(cli: Callable, write_suite: Callable) -> None:
    assert cli("run", write_suite()).returncode == 0


def test_yes_runs_it(cli: Callable, write_suite: Callable, tmp_path: Path) -> None:
    model = {"adapter": "nova", "checkpoint": "nova-tiny"}
    sampling = {"num_frames": 1, "height": 64, "width": 64, "num_inference_steps": 1, "num_diffusion_steps": 1}
    prompts = {"entries": ["a red circle"]}
    path = write_suite(model=model, sampling=sampling, prompts=prompts, scorers=["brightness"])
    assert cli("run", path, "--yes").returncode == 0


def test_videos_are_read_once_for_the_estimate_and_the_run(
    write_suite: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = tmp_path / "videos/clip.mp4"
    clip.parent.mkdir()
    shutil.copy(next((ROOT / "tests/data/vbench_clips").glob("r8_*.mp4")), clip)
    read = []
    original = remembered_digests.stamped_digest
    monkeypatch.setattr(remembered_digests, "stamped_digest", lambda path: read.append(path) or original(path))
    monkeypatch.setattr(remembered_digests, "GRAIN_NS", -(10**12))
    path = write_suite(model={"adapter": "files", "folder": str(clip.parent)}, prompts=None, scorers=["brightness"])
    assert run(str(path), store=tmp_path / "runs", quiet=True) == ExitCode.PASS
    assert [path.name for path in read].count(clip.name) == 1


def test_speeds_of_earlier_runs_replace_the_estimate(cli: Callable, write_suite: Callable, tmp_path: Path) -> None:
    model = {"adapter": "nova", "checkpoint": "nova-tiny"}
    sampling = {"num_frames": 1, "height": 64, "width": 64, "num_inference_steps": 1, "num_diffusion_steps": 1}
    prompts = {"entries": ["a red circle", "a blue star"]}
    path = write_suite(model=model, sampling=sampling, prompts=prompts, scorers=["brightness"])
    slow = Device("snail", 1.0)

    def left() -> float:
        return preview_request(Request(str(path), tmp_path / "runs"), Silence()).seconds_left(slow)

    assert left() > 1e6
    assert cli("run", path, "--limit", 1).returncode == 0
    assert 0 < left() < 100


def test_an_estimate_is_near_the_count() -> None:
    config = json.loads((ROOT / "nova_bench/checkpoints/nova-tiny/transformer/config.json").read_text())
    settings = {"num_frames": 17, "num_inference_steps": 16, "num_diffusion_steps": 25, "guidance_scale": 3}
    network = NOVAConfig.from_dict(config)
    steps = [count for count in autoregressive_schedule(network.num_image_tokens, 16) if count]
    counted = temporal_flops(network, 5, len(steps), 2, True) + _spatial(network, 5, steps, 2)
    counted += 5 * sum(_head(network, count, 2, 25) for count in steps)
    found = generation_gflop(NovaSpec(checkpoint="nova-tiny"), SamplingSpec(**settings))
    assert found == pytest.approx(counted / 1e9, rel=0.4)


def test_a_checkpoint_that_is_not_here_has_no_estimate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert generation_gflop(NovaSpec(checkpoint="nova-0.6b-t2v"), SamplingSpec()) is None


def test_devices_are_known_without_torch() -> None:
    device = estimated_device("cpu")
    assert device.name.startswith("CPU with ")
    assert device.rate >= CPU_RATE
    assert peak_tflops("Model: \t\t NVIDIA H100 80GB HBM3") == 494.7
    assert peak_tflops("Model: NVIDIA GeForce") is None
