"""A checkpoint that lacks a part is reported and never drawn with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from nova_bench.core.checkpoint_names import SHIPPED
from nova_bench.models.completeness import Incomplete, checkpoint_files, refuse_incomplete

WEIGHTS = "transformer/diffusion_pytorch_model.safetensors"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A checkpoint of its own, from whose files the test may take some."""
    return shutil.copytree(SHIPPED["nova-tiny"], tmp_path / "ck")


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A suite that draws two frames with it."""
    path = tmp_path / "suite.yaml"
    sampling = {"num_frames": 1, "num_inference_steps": 1, "num_diffusion_steps": 1}
    keys = {"prompts": {"entries": ["a red circle"]}, "sampling": sampling, "scorers": []}
    path.write_text(yaml.safe_dump({
        "name": "ck", "title": "Checkpoint", "model": {"adapter": "nova", "folder": "ck"}, **keys
    }))  # fmt: skip
    return path


NEEDED = [
    "model_index.json",
    WEIGHTS,
    "transformer/config.json",
    "scheduler/scheduler_config.json",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "tokenizer/tokenizer.json",
    "tokenizer/tokenizer_config.json",
]


@pytest.mark.parametrize("lacking", NEEDED)
def test_every_file_that_changes_what_is_drawn_must_be_there(lacking: str, checkpoint: Path) -> None:
    refuse_incomplete(checkpoint)
    (checkpoint / lacking).unlink()
    with pytest.raises(Incomplete, match=f"no {lacking}"):
        refuse_incomplete(checkpoint)


@pytest.mark.parametrize("part", ["transformer", "scheduler", "vae", "text_encoder", "tokenizer"])
def test_a_part_that_the_index_leaves_out(part: str, checkpoint: Path) -> None:
    index = json.loads((checkpoint / "model_index.json").read_text())
    (checkpoint / "model_index.json").write_text(json.dumps({**index, part: [None, None]}))
    with pytest.raises(Incomplete, match=f"model_index.json lists no {part}"):
        refuse_incomplete(checkpoint)


def test_one_shard_of_several(checkpoint: Path) -> None:
    (checkpoint / WEIGHTS).rename(checkpoint / "transformer" / "one.safetensors")
    listed = {"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}
    (checkpoint / f"{WEIGHTS}.index.json").write_text(json.dumps(listed))
    with pytest.raises(Incomplete, match=r"no transformer.two\.safetensors"):
        refuse_incomplete(checkpoint)
    shutil.copy(checkpoint / "transformer" / "one.safetensors", checkpoint / "transformer" / "two.safetensors")
    refuse_incomplete(checkpoint)


def test_the_commands_report_and_refuse_it(checkpoint: Path, suite: Path, cli: Callable) -> None:
    assert cli("assets", "verify", checkpoint).returncode == 0
    shutil.rmtree(checkpoint / "tokenizer")
    verified = cli("assets", "verify", checkpoint)
    assert verified.returncode == 3
    assert "the checkpoint is incomplete: no tokenizer/" in verified.stdout
    for command in (["run", suite], ["generate", "a cat", "--model", checkpoint, "--out", "x.png"]):
        done = cli(*command)
        assert done.returncode == 2
        assert "the checkpoint is incomplete: no tokenizer/" in done.stderr
    assert not list(suite.parent.glob("runs/artifacts/**/*.png"))


def test_weights_of_a_variant_are_named(checkpoint: Path, cli: Callable) -> None:
    (checkpoint / WEIGHTS).rename(checkpoint / "transformer" / "diffusion_pytorch_model.fp16.safetensors")
    done = cli("generate", "a cat", "--model", checkpoint, "--out", "x.png")
    assert done.returncode == 2
    assert f"no {WEIGHTS}; diffusion_pytorch_model.fp16.safetensors is there, a variant: rename it" in done.stderr


def test_folders_behind_links_are_part_of_a_checkpoint(checkpoint: Path, tmp_path: Path) -> None:
    before = [path.relative_to(checkpoint) for path in checkpoint_files(checkpoint)]
    (checkpoint / "vae").rename(tmp_path / "shared")
    (checkpoint / "vae").symlink_to(tmp_path / "shared")
    (checkpoint / "vae" / "up").symlink_to(checkpoint)  # a loop
    assert [path.relative_to(checkpoint) for path in checkpoint_files(checkpoint) if "up" not in path.parts] == before
    refuse_incomplete(checkpoint)
