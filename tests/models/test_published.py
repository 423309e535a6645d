"""Checkpoints of the hub, through the command line: a stand-in hub serves a small pipeline."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nova_bench.core.errors import UserError
from nova_bench.models.published import CHECKPOINTS, get_checkpoint
from nova_bench.nova.published import PUBLISHED
from tests.http_stand_in import REVISION, StandIn, serve_repository

PIPELINE = Path(__file__).parents[1] / "parity" / "vectors" / "t2i_abs" / "pipeline"
NAME = "somebody/a-nova"


@pytest.fixture
def hub(server: StandIn) -> StandIn:
    """The pipeline as a hub repository, with a Python file that must never be downloaded."""
    files = {str(path.relative_to(PIPELINE)): path.read_bytes() for path in PIPELINE.rglob("*") if path.is_file()}
    files["transformer/__transformer__.py"] = b"raise SystemExit('remote code was run')"
    serve_repository(server, NAME, files)
    return server


@pytest.fixture
def run(fresh_cli: Callable, hub: StandIn, tmp_path: Path) -> Callable:
    """The command line with the stand-in as its hub."""

    def run(*arguments: object, **more: str):
        hub_settings = {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
        return fresh_cli(*arguments, **{**hub_settings, "HF_HOME": str(tmp_path / "hf"), **more})

    return run


def snapshot(tmp_path: Path) -> Path:
    (folder,) = (tmp_path / "hf" / "hub").glob("models--*/snapshots/*")
    return folder


def test_a_checkpoint_is_fetched_verified_and_used_without_the_hub(run, hub, tmp_path):
    fetched = run("assets", "fetch", NAME)
    assert fetched.returncode == 0, fetched.stderr
    assert str(snapshot(tmp_path)) in fetched.stdout
    assert not list(snapshot(tmp_path).rglob("*.py"))
    hub.files.clear()  # from here on the hub has nothing
    assert run("assets", "verify", NAME).stdout == f"{NAME}: here\n"
    made = run("generate", "a cat", "--model", NAME, "--out", "x.png", "--steps", 3, "--diffusion-steps", 2)
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "x.png").is_file()


@pytest.mark.slow
def test_a_cut_download_keeps_the_files_that_came_whole(run, hub, tmp_path):
    hub.cut_after = 100_000
    assert run("assets", "fetch", NAME).returncode != 0
    hub.cut_after = None
    hub.requests.clear()
    assert run("assets", "fetch", NAME).returncode == 0
    again = {path.partition(REVISION)[2] for command, path, _ in hub.requests if command == "GET" and REVISION in path}
    assert "/vae/diffusion_pytorch_model.safetensors" in again
    assert "/tokenizer/tokenizer.json" not in again
    weights = "vae/diffusion_pytorch_model.safetensors"
    assert (snapshot(tmp_path) / weights).read_bytes() == (PIPELINE / weights).read_bytes()


def test_damage_is_found_by_verify(run, tmp_path):
    assert run("assets", "fetch", NAME).returncode == 0
    weights = snapshot(tmp_path) / "transformer" / "diffusion_pytorch_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    blob = weights.resolve()
    assert blob.name == hashlib.sha256((PIPELINE / weights.relative_to(snapshot(tmp_path))).read_bytes()).hexdigest()
    blob.write_bytes(content)
    result = run("assets", "verify", NAME)
    assert result.returncode == 3
    assert f"{NAME}: damaged" in result.stdout


def test_a_missing_checkpoint_is_one_line_with_the_command_that_gets_it(run, hub, write_suite, tmp_path):
    generated = run("generate", "a cat", "--model", "nova-0.6b-t2v")
    assert generated.returncode == 3
    assert "the checkpoint nova-0.6b-t2v (about 8.0 GB) isn't on this machine" in generated.stderr
    assert "try: python -m nova_bench assets fetch nova-0.6b-t2v" in generated.stderr
    planned = run("plan", write_suite(), "--model", "nova-0.6b-t2v")
    assert planned.returncode == 3
    assert "python -m nova_bench assets fetch nova-0.6b-t2v" in planned.stdout
    offline = run("assets", "fetch", NAME, "--offline")
    assert offline.returncode == 3
    assert hub.requests == []


@pytest.mark.parametrize(
    ("name", "settings", "problem"),
    [
        ("somebody/nothing", {}, "the hub can't be reached, or has no such checkpoint"),
        (NAME, {"HF_ENDPOINT": "http://127.0.0.1:9"}, "the hub can't be reached, or has no such checkpoint"),
    ],
)
def test_what_the_hub_lacks_is_told(run, name, settings, problem):
    result = run("assets", "fetch", name, **settings)
    assert result.returncode == 3
    assert problem in result.stderr
    assert "Traceback" not in result.stderr


def test_a_repository_that_holds_something_else_is_refused(run, hub):
    for path, content in hub.files.items():
        if "/api/" in path:
            hub.files[path] = content.replace(b"model_index.json", b"transformer/config.json")
    result = run("assets", "fetch", NAME)
    assert result.returncode == 2
    assert "holds no model_index.json" in result.stderr


def test_names_and_hub_ids_mean_the_same_and_match_the_library():
    assert {found.repo_id for found in CHECKPOINTS.values() if not found.folder} == {
        model.hub_id for model in PUBLISHED.values()
    }
    assert get_checkpoint("BAAI/nova-d48w1024-osp480") is CHECKPOINTS["nova-0.6b-t2v"]
    with pytest.raises(UserError, match=r"did you mean .nova-1\.4b-t2i."):
        get_checkpoint("nova-1.4b")


@pytest.mark.slow
def test_a_copied_cache_without_links_still_serves(run, tmp_path):
    """Some file systems can't make links: then files lie where the links would."""
    assert run("assets", "fetch", NAME).returncode == 0
    folder = snapshot(tmp_path)
    shutil.copytree(folder, tmp_path / "copy")
    assert run("assets", "verify", NAME).returncode == 0
    made = run("generate", "a cat", "--model", tmp_path / "copy", "--out", "y.png", "--steps", 2)
    assert made.returncode == 0, made.stderr
