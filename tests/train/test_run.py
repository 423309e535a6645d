"""Whole runs: reproducible, safe against kills, and ending in a checkpoint that generates."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from nova_bench.core.errors import UserError
from nova_bench.core.identity import file_digest
from nova_bench.core.progress import Progress
from nova_bench.train.loop import _without_subnormals
from nova_bench.train.state import read_log
from tests.card_marks import needs_driver

STAGES = ("autoencoder", "transformer")


def losses(folder: Path) -> list[dict]:
    """All log records but their times."""
    records = [record for stage in STAGES for record in read_log(folder / f"{stage}.jsonl")]
    return [{key: value for key, value in record.items() if key != "seconds"} for record in records]


def weights(folder: Path) -> dict[str, str]:
    files = sorted((folder / "checkpoint").rglob("*.safetensors"))
    return {str(path.relative_to(folder)): file_digest(path) for path in files}


def test_same_seed_gives_same_losses(micro, finish, trained: Path, tmp_path: Path) -> None:
    again = finish(micro(), tmp_path)
    first, second = ([record["loss"] for record in losses(folder)] for folder in (trained, again))
    assert len(first) == 60
    np.testing.assert_allclose(first, second, rtol=0, atol=1e-5)


def test_another_seed_gives_other_losses(micro, finish, trained: Path, tmp_path: Path) -> None:
    other = finish(micro("seed=7", "transformer.optimization.steps=2"), tmp_path)
    assert losses(other)[0]["loss"] != losses(trained)[0]["loss"]


def test_killed_run_ends_like_one_that_was_never_killed(micro, start, finish, trained: Path, tmp_path: Path) -> None:
    """SIGKILL at random steps of both stages, then the same call again: same logs, same weights, bit for bit."""
    spec, pick = micro(), random.Random(3)
    for stage, last in (("autoencoder", 9), ("transformer", 25), ("transformer", 48)):
        log = tmp_path / spec.name / f"{stage}.jsonl"
        goal = pick.randint(max(1, last - 8), last)
        process = start(spec, tmp_path)
        while len(read_log(log)) < goal:
            assert process.is_alive(), "ended before it could be killed"
            time.sleep(0.005)
        process.kill()
        process.join()
    folder = finish(spec, tmp_path)
    assert losses(folder) == losses(trained)
    assert weights(folder) == weights(trained)


def test_finished_run_has_nothing_left_to_do(micro, finish, trained: Path) -> None:
    before = weights(trained), losses(trained)
    finish(micro(), trained.parent)
    assert (weights(trained), losses(trained)) == before


def test_more_steps_continue_a_finished_run(micro, finish, tmp_path: Path) -> None:
    short = ("autoencoder.optimization.steps=2", "transformer.optimization.schedule=constant")
    folder = finish(micro(*short, "transformer.optimization.steps=3"), tmp_path / "a")
    finish(micro(*short, "transformer.optimization.steps=6"), tmp_path / "a")
    straight = finish(micro(*short, "transformer.optimization.steps=6"), tmp_path / "b")
    assert losses(folder) == losses(straight)
    assert weights(folder) == weights(straight)


def test_other_settings_refuse_to_continue(micro, trained: Path) -> None:
    from nova_bench.train.run import train

    with pytest.raises(UserError, match=r"transformer\.optimization\.learning_rate"):
        train(micro("transformer.optimization.learning_rate=0.5"), trained.parent, "cpu", Progress(quiet=True))


def test_damaged_state_is_one_clear_error(micro, trained: Path, tmp_path: Path) -> None:
    from nova_bench.train.run import train

    (tmp_path / "micro").mkdir()
    (tmp_path / "micro" / "autoencoder.pt").write_bytes((trained / "autoencoder.pt").read_bytes()[:500])
    with pytest.raises(UserError, match="not a readable state"):
        train(micro(), tmp_path, "cpu", Progress(quiet=True))


def test_logs_hold_losses_gradient_and_activation_norms(trained: Path) -> None:
    records = read_log(trained / "transformer.jsonl")
    assert [record["step"] for record in records] == list(range(1, 51))
    for record in records:
        assert record["loss"] == pytest.approx(record["loss_t2i"] + record["loss_i2i"], rel=1e-5)
        assert record["grad_norm"] > 0
    norms = [record["activations"] for record in records if "activations" in record]
    assert len(norms) == 5
    blocks = ["video_encoder.blocks.0", "image_encoder.blocks.0", "image_encoder.blocks.1", "image_decoder.blocks.0"]
    assert sorted(norms[0]) == sorted(blocks)
    assert all(0 < value["rms"] <= value["max"] for norm in norms for value in norm.values())


def test_autoencoder_and_transformer_learn(trained: Path) -> None:
    for stage, key in (("autoencoder", "l1"), ("transformer", "loss")):
        values = [record[key] for record in read_log(trained / f"{stage}.jsonl")]
        assert np.mean(values[-3:]) < np.mean(values[:3])


def test_checkpoint_generates(trained: Path) -> None:
    from nova_bench.nova.pipeline import NOVAPipeline

    pipeline = NOVAPipeline.from_pretrained(trained / "checkpoint")
    settings = {"num_inference_steps": 2, "num_diffusion_steps": 2, "disable_progress_bar": True}
    out = pipeline("a red circle moving left", max_latent_length=2, output_type="np", **settings)
    assert out.frames.shape == (1, 5, 32, 32, 3)


def test_latents_of_another_autoencoder_are_not_reused(micro, finish, trained: Path) -> None:
    before = set((trained.parent / "latents").iterdir())
    finish(micro("name=other", "seed=2", "transformer.optimization.steps=1"), trained.parent)
    assert len(set((trained.parent / "latents").iterdir()) - before) == 1


def test_latents_belong_to_the_precision_that_was_used(micro, finish, trained: Path, tmp_path: Path) -> None:
    """`auto` is fp32 on the CPU and bf16 on CUDA: a folder that moves between them must not mix their latents."""
    autoencoder = (f"autoencoder.pretrained={trained / 'checkpoint' / 'vae'}", "autoencoder.optimization=null")
    counts = []
    for precision in ("auto", "fp32", "bf16"):
        stage = ("transformer.optimization.steps=1", f"transformer.optimization.precision={precision}")
        finish(micro(*autoencoder, f"name={precision}", *stage), tmp_path)
        counts.append(len(list((tmp_path / "latents").iterdir())))
    assert counts == [1, 1, 2]


@pytest.mark.slow
@needs_driver
def test_on_the_card_it_trains_as_on_the_cpu(micro_file: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.train.on_a_card", str(micro_file), str(tmp_path)]
    found = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr[-3000:]
    said = json.loads(found.stdout.splitlines()[-1])
    assert said["peak"] > 0
    here, there = (losses(tmp_path / device / said["name"]) for device in ("cpu", "cuda"))
    assert len(here) == 16
    np.testing.assert_allclose(
        [record["loss"] for record in there], [record["loss"] for record in here], rtol=2e-2, atol=1e-3
    )


def test_subnormal_numbers_are_zero_while_training_and_come_back() -> None:
    """Where gradients vanish, moments become such numbers, and a CPU is slow at them."""
    small = torch.full((4,), 1e-39)
    with _without_subnormals():
        assert not (small * 1.0).any()
    assert (small * 1.0).all()
