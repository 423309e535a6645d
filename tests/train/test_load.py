"""Training files: what is accepted, and how mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from nova_bench.core.errors import SuiteError, UserError
from nova_bench.train.load import load_training


def test_tiny_is_found_by_name() -> None:
    spec = load_training("tiny")
    assert spec.name == "tiny"
    assert spec.data.split == "train"


def test_spec_is_frozen(micro) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        micro().seed = 3


def test_unknown_key_names_file_line_and_neighbour(tmp_path: Path, micro_file: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(f"extends: {micro_file}\nname: bad\ntransformer:\n  optimization:\n    learning_rat: 1\n")
    with pytest.raises(
        SuiteError,
        match=r"bad\.yaml:5: unknown key 'learning_rat' in transformer\.optimization; did you mean 'learning_rate'\?",
    ):
        load_training(str(path))


def test_wrong_value_names_file_and_line(tmp_path: Path, micro_file: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(f"extends: {micro_file}\nname: bad\ndata:\n  clips: 0\n")
    with pytest.raises(SuiteError, match=r"bad\.yaml:4: data\.clips: expected at least 1"):
        load_training(str(path))


def test_unknown_name_suggests() -> None:
    with pytest.raises(SuiteError, match="no such training file; did you mean 'tiny'"):
        load_training("tinny")


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("autoencoder.pretrained=somewhere", "either `pretrained` or `optimization`"),
        ("name=../escape", "name"),
        ("transformer.optimization.schedule=linear", "'cosine' or 'constant'"),
    ],
)
def test_contradictions_are_refused(micro, assignment: str, message: str) -> None:
    with pytest.raises(SuiteError, match=message):
        micro(assignment)


def test_pretrained_is_relative_to_its_file(tmp_path: Path, micro_file: Path) -> None:
    path = tmp_path / "frozen.yaml"
    path.write_text(f"extends: {micro_file}\nautoencoder: {{pretrained: vae, optimization: null}}\n")
    assert load_training(str(path)).autoencoder.pretrained == str(tmp_path / "vae")


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("transformer.config.video_base_size=[2, 3, 3]", "does not fit"),
        ("transformer.config.image_dim=2", "follows from the rest"),
        ("autoencoder.clip_lengths=[3]", "3 frames don't fit"),
        ("scheduler._class_name=Euler", "'Euler' isn't supported"),
        ("transformer.optimization.precision=fp16", "needs CUDA"),
    ],
)
def test_networks_that_cannot_be_are_one_error(micro, tmp_path: Path, assignment: str, message: str) -> None:
    from nova_bench.core.progress import Progress
    from nova_bench.train.run import train

    quick = ("autoencoder.optimization.steps=1", "data.clips=2", "transformer.optimization.steps=1")
    with pytest.raises(UserError, match=message):
        train(micro(*quick, assignment), tmp_path, "cpu", Progress(quiet=True))


def test_help_needs_no_torch(cli) -> None:
    result = cli("train", "--help")
    assert result.returncode == 0
    assert "TRAINING" in result.stdout


def test_command_tells_a_mistake_in_one_line(cli) -> None:
    result = cli("train", "nothing-like-it")
    assert result.returncode == 2
    assert result.stderr.startswith("error: nothing-like-it: no such training file")
