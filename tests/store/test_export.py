"""`store export`: a run's videos under the names that another tool expects."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nova_bench.core.identity import file_digest
from nova_bench.video import write_image


@pytest.fixture
def run(cli: Callable, write_suite: Callable, tmp_path: Path) -> Callable[..., str]:
    """A function: prompts -> the name of a finished run on two samples of each."""

    def make(*prompts: str) -> str:
        suite = write_suite(prompts={"samples_per_prompt": 2, "entries": list(prompts)}, scorers=["brightness"])
        assert cli("run", suite).returncode == 0
        (folder,) = (path for path in (tmp_path / "runs").glob("smoke-*") if path.is_dir())
        return folder.name

    return make


def artifacts(tmp_path: Path) -> set[str]:
    return {file_digest(path) for path in (tmp_path / "runs/artifacts").rglob("*.mp4")}


@pytest.mark.parametrize("copy", [False, True])
def test_every_sample_has_its_official_name(cli: Callable, run: Callable, tmp_path: Path, copy: bool) -> None:
    name = run("a cat", "A cat")
    result = cli("store", "export", name, "out", "--layout", "vbench", *(["--copy"] if copy else []))
    assert (result.returncode, result.stdout) == (0, "4 of 4 samples are in out\n"), result.stderr
    files = {path.name: path for path in (tmp_path / "out").iterdir()}
    assert set(files) == {"a cat-0.mp4", "a cat-1.mp4", "A cat-0.mp4", "A cat-1.mp4"}
    assert {file_digest(path) for path in files.values()} == artifacts(tmp_path)
    assert {os.stat(path).st_nlink for path in files.values()} == {1 if copy else 2}
    again = cli("store", "export", name, "out", "--layout", "vbench")
    assert (again.returncode, again.stdout) == (0, "4 of 4 samples are in out\n")


def test_a_prompt_that_is_no_file_name_is_left_out_and_told(cli: Callable, run: Callable, tmp_path: Path) -> None:
    name = run("a cat", "../../escape", "x" * 300)
    result = cli("store", "export", name, "deep/out", "--layout", "vbench")
    assert result.returncode == 3
    assert result.stdout == "2 of 6 samples are in deep/out\n"
    assert "left out: '../../escape' sample 0: a file name can't hold a slash" in result.stderr
    assert "306 bytes, more than 255" in result.stderr
    assert {path.name for path in (tmp_path / "deep/out").iterdir()} == {"a cat-0.mp4", "a cat-1.mp4"}
    assert not list(tmp_path.rglob("*escape*"))


def test_nothing_is_overwritten(cli: Callable, run: Callable, tmp_path: Path) -> None:
    name = run("a cat")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a cat-1.mp4").write_bytes(b"mine")
    result = cli("store", "export", name, "out", "--layout", "vbench")
    assert result.returncode == 3
    assert "sample 1: out/a cat-1.mp4 already exists with different content" in result.stderr
    assert (tmp_path / "out/a cat-1.mp4").read_bytes() == b"mine"
    assert (tmp_path / "out/a cat-0.mp4").exists()


def test_names_that_collide_and_files_that_changed_are_left_out(
    cli: Callable, write_suite: Callable, tmp_path: Path
) -> None:
    entries = [{"text": "a cat", "image": f"{name}.png"} for name in "ab"]
    for shade, name in enumerate("ab"):
        write_image(tmp_path / f"{name}.png", torch.full((8, 8, 3), shade, dtype=torch.uint8))
    suite = write_suite(prompts={"samples_per_prompt": 2, "entries": entries}, scorers=[])
    assert cli("run", suite).returncode == 0
    (folder,) = (path for path in (tmp_path / "runs").glob("smoke-*") if path.is_dir())
    result = cli("store", "export", folder.name, "out", "--layout", "vbench")
    assert (result.returncode, result.stdout) == (3, "2 of 4 samples are in out\n")
    for index in range(2):
        assert f"'a cat' sample {index}: another sample of the run is also called 'a cat-{index}.mp4'" in result.stderr
    for path in (tmp_path / "runs/artifacts").rglob("*.mp4"):
        path.write_bytes(bytes(path.stat().st_size))
    result = cli("store", "export", folder.name, "again", "--layout", "vbench")
    assert (result.returncode, result.stdout) == (3, "0 of 4 samples are in again\n")
    assert "changed since it was recorded" in result.stderr


def test_mistakes_are_told_in_a_line(cli: Callable, run: Callable, tmp_path: Path) -> None:
    name = run("a cat")
    (tmp_path / "file").touch()
    for arguments, message in [
        ((name, "out", "--layout", "vbnech"), "unknown layout 'vbnech'; did you mean 'vbench'?"),
        (("smoke-0", "out", "--layout", "vbench"), "no run 'smoke-0'"),
        ((name, "file", "--layout", "vbench"), "file: File exists"),
    ]:
        result = cli("store", "export", *arguments)
        assert result.returncode == 2
        assert message in result.stderr
        assert "Traceback" not in result.stderr
