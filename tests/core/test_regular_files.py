"""What is no regular file is refused without opening it, by whatever reads files."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from nova_bench.core.regular_files import NotRegular, is_regular, open_regular, regular_status

CHECKPOINT = Path(__file__).parents[2] / "nova_bench" / "checkpoints" / "nova-tiny"


def make(kind: str, path: Path) -> Path:
    """Put something that is no regular file at ``path``."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            here = os.getcwd()
            os.chdir(path.parent)  # a socket's path is short
            try:
                server.bind(path.name)
            finally:
                os.chdir(here)
    else:
        path.symlink_to(kind)
    return path


KINDS = ["pipe", "socket", "/dev/zero", "/proc/self/status", "/proc/kmsg"]


@pytest.mark.parametrize("kind", [*KINDS, "/"])
def test_what_is_no_regular_file(kind: str, tmp_path: Path) -> None:
    if kind.startswith("/") and not Path(kind).exists():
        pytest.skip(f"no {kind} here")
    path = make(kind, tmp_path / "x")
    for read in (regular_status, open_regular):
        with pytest.raises(NotRegular, match="not a regular file"):
            read(path)
    assert not is_regular(path)


def test_a_regular_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"")
    assert is_regular(tmp_path / "x")
    with open_regular(tmp_path / "x") as stream:
        assert stream.read() == b""
    assert not is_regular(tmp_path / "nowhere")


@pytest.mark.parametrize("kind", KINDS[:3])
def test_a_prompt_file(kind: str, tmp_path: Path, write_suite: Callable, cli: Callable) -> None:
    make(kind, tmp_path / "prompts.csv")
    done = cli("run", write_suite(prompts={"file": "prompts.csv"}))
    assert done.returncode == 2
    assert "not a regular file" in done.stderr or (kind == "/dev/zero" and "neither .csv nor .jsonl" in done.stderr)


@pytest.mark.parametrize("kind", KINDS[:3])
def test_a_first_frame(kind: str, tmp_path: Path, write_suite: Callable, cli: Callable) -> None:
    make(kind, tmp_path / "x.png")
    done = cli("plan", write_suite(prompts={"entries": [{"text": "a cat", "image": "x.png"}]}))
    assert done.returncode == 2
    assert "not a regular file" in done.stderr


@pytest.mark.parametrize("kind", KINDS[:2])
@pytest.mark.parametrize("place", ["vae/diffusion_pytorch_model.safetensors", "tokenizer/merges.txt"])
def test_a_checkpoint_s_file(kind: str, place: str, tmp_path: Path, cli: Callable) -> None:
    folder = tmp_path / "ck"
    shutil.copytree(CHECKPOINT, folder)
    (folder / place).unlink(missing_ok=True)
    make(kind, folder / place)
    for command in (["run", "suite.yaml"], ["generate", "a cat", "--model", folder, "--out", "x.png"]):
        (tmp_path / "suite.yaml").write_text(yaml.safe_dump({
            "name": "ck", "title": "Checkpoint", "model": {"adapter": "nova", "folder": "ck"},
            "prompts": {"entries": ["a cat"]}, "scorers": [],
        }))  # fmt: skip
        done = cli(*command)
        assert (done.returncode, f"{place} is not a regular file" in done.stderr) == (2, True), done.stderr
