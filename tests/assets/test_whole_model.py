"""Whole models as assets: a folder, or a repository of the hub; their digest is that of all they consist of."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nova_bench.assets import asset_digest, asset_path, asset_state, model_asset_name
from nova_bench.assets.fetch import fetch
from nova_bench.core.errors import MissingAsset, UserError
from tests.http_stand_in import REVISION, StandIn, serve_repository

NAME = "somebody/a-judge"
FILES = {
    "config.json": b'{"model_type": "vilt"}',
    "model.safetensors": b"weights",
    "tokenizer.json": b"{}",
    "chat_template.jinja": b"{{ messages }}",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "judge"
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (NAME, f"hub:{NAME}"),
        (f"{NAME}@refs/pr/7", f"hub:{NAME}@refs/pr/7"),
        ("/models/judge", "folder:/models/judge"),
        ("/models/../judge/", "folder:/judge"),
    ],
)
def test_names(model: str, name: str) -> None:
    assert model_asset_name(model) == name


@pytest.mark.parametrize("model", ["", "judge", "a/b/c", f"{NAME}@", "models\0/x", "a b/c"])
def test_what_is_no_model(model: str) -> None:
    with pytest.raises(UserError, match="neither a hub id nor a folder"):
        model_asset_name(model)


def test_every_file_that_may_change_an_answer_counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    name = model_asset_name("./judge")
    assert (asset_state(name), asset_path(name)) == ("here", folder)
    digests = {asset_digest(name)}
    for file, content in FILES.items():
        (folder / file).write_bytes(content + b" ")
        digests.add(asset_digest(name))
        (folder / file).write_bytes(content)
    assert len(digests) == 1 + len(FILES)
    (folder / "README.md").write_bytes(b"anything")
    (folder / "modeling.py").write_bytes(b"raise SystemExit")
    (folder / "onnx").mkdir()
    assert asset_digest(name) in digests


def test_the_digest_is_the_content_not_the_place(folder: Path, tmp_path: Path) -> None:
    before = asset_digest(f"folder:{folder}")
    assert asset_digest(f"folder:{folder.rename(tmp_path / 'elsewhere')}") == before != "unknown"


def test_parts_of_weights(folder: Path) -> None:
    name = f"folder:{folder}"
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    with pytest.raises(MissingAsset, match=r"lacks model\.safetensors\)"):
        asset_path(name)
    parts = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": parts}))
    with pytest.raises(MissingAsset, match=r"lacks model-00002-of-00002\.safetensors"):
        asset_path(name)
    assert (asset_state(name), asset_digest(name)) == ("missing", "unknown")
    (folder / parts["b"]).write_bytes(b"more")
    assert asset_state(name) == "here"
    for broken in ("[]", "{", '{"weight_map": 3}'):
        (folder / "model.safetensors.index.json").write_text(broken)
        assert asset_state(name) == "missing"


@pytest.fixture
def run(fresh_cli: Callable, server: StandIn, tmp_path: Path) -> Callable:
    """`assets` with a stand-in hub that has the model, and a Python file that must never be downloaded."""
    serve_repository(server, NAME, {**FILES, "modeling.py": b"raise SystemExit", "onnx/model.safetensors": b"another"})

    def run(*arguments: object):
        settings = {"HF_ENDPOINT": server.url, "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
        return fresh_cli("assets", *arguments, **settings, HF_HOME=str(tmp_path / "hf"))

    return run


def test_a_model_is_fetched_and_used_without_the_hub(run: Callable, server: StandIn, tmp_path: Path) -> None:
    fetched = run("fetch", f"hub:{NAME}")
    assert fetched.returncode == 0, fetched.stderr
    snapshot = tmp_path / "hf" / "hub" / f"models--{NAME.replace('/', '--')}" / "snapshots" / REVISION
    assert fetched.stdout == f"hub:{NAME}: {snapshot}\n"
    assert {path.name: path.read_bytes() for path in snapshot.iterdir()} == FILES
    server.files.clear()
    assert run("verify", f"hub:{NAME}", f"hub:{NAME}@{REVISION}").stdout == (
        f"hub:{NAME}: here\nhub:{NAME}@{REVISION}: here\n"
    )


@pytest.mark.slow
def test_weights_that_could_run_code_are_refused(run: Callable, server: StandIn) -> None:
    serve_repository(server, NAME, {"config.json": FILES["config.json"], "pytorch_model.bin": b"pickled"})
    result = run("fetch", f"hub:{NAME}")
    assert result.returncode == 2
    assert "has no model.safetensors; weights in other formats than safetensors are not loaded" in result.stderr


def test_what_is_not_fetched(tmp_path: Path) -> None:
    with pytest.raises(MissingAsset, match=r"nothing: lacks config\.json"):
        fetch(f"folder:{tmp_path / 'nothing'}")
    with pytest.raises(MissingAsset, match="is not here, and fetching is off"):
        fetch(f"hub:{NAME}", offline=True)
