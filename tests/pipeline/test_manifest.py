"""The manifest of a run: every invocation with what made its numbers; the log beside it; progress as lines."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nova_bench.kernels import packed
from nova_bench.kernels import products as products_module
from nova_bench.pipeline.manifest import MANIFEST, git_state, package_versions, read_manifest, write_manifest

LINE = re.compile(r"stage=(\S+) done=(\d+) total=(\d+) seconds=\d+\.\d rate=\d+\.\d{3}")


def only_run(tmp_path: Path) -> Path:
    (path,) = (tmp_path / "runs").glob("smoke-*")
    return path


def test_a_run_leaves_lines_a_log_and_a_manifest_of_every_invocation(
    cli: Callable, write_suite: Callable, tmp_path: Path
) -> None:
    base = write_suite("base.yaml", model={"adapter": "drift", "fail_on": "dog", "memory": 4})
    suite = tmp_path / "suite.yaml"
    suite.write_text(f"extends: {base.name}\ntitle: Extended\n")
    told = cli("run", suite, "--set", "seed=7", "--device", "cpu")
    assert told.returncode == 3, told.stderr
    lines = [LINE.fullmatch(line) for line in told.stderr.splitlines() if line.startswith("stage=")]
    assert [line.groups() for line in lines][:2] == [("generate", "6", "6"), ("score", "4", "4")]
    assert "stage=" not in told.stdout
    assert "\x1b" not in told.stderr + told.stdout

    log = (only_run(tmp_path) / "run.log").read_text(encoding="utf-8")
    assert "INFO generate: 6 to do" in log
    assert "INFO generate: 2 times: ValueError: drift can't draw 'dog'" in log
    assert "WARNING out of memory with a batch of 6" in log
    assert "INFO score: ended after" in log

    quiet = cli("run", suite, "--set", "seed=7", "--quiet")
    assert "brightness" in quiet.stdout
    assert all(line.startswith(("warning: ", "incomplete: ")) for line in quiet.stderr.splitlines()), quiet.stderr
    assert (only_run(tmp_path) / "run.log").read_text(encoding="utf-8").startswith(log)

    manifest = json.loads((only_run(tmp_path) / MANIFEST).read_text(encoding="utf-8"))
    assert (manifest["suite"]["title"], manifest["suite"]["seed"], manifest["units"]) == ("Extended", 7, 6)
    assert manifest["suite"]["sampling"]["num_frames"] == 3
    assert [scorer["name"] for scorer in manifest["scorers"]] == ["brightness", "roughness"]
    first, second = manifest["invocations"]
    assert first["command"][:4] == ["python", "-m", "nova_bench", "run"]
    assert first["command"][-2:] == ["--device", "cpu"]
    assert second["command"][-1] == "--quiet"
    assert datetime.fromisoformat(first["started"]) <= datetime.fromisoformat(first["ended"])
    assert first["seconds"]["generate"] > 0
    assert first["seconds"]["score"] > second["seconds"]["score"] >= 0
    assert first["device"]["device"] == "cpu"
    assert first["device"]["name"]
    assert first["packages"]["torch"]
    assert first["python"].startswith("3.")
    assert first["git"] is None or len(first["git"]["revision"]) == 40


@pytest.mark.parametrize(
    ("compiled", "state", "source", "products"),
    [
        (True, "here", "VBench 1.0, imaging_quality.py", "AMX (compiled here)"),
        (False, "here", "VBench 1.0, imaging_quality.py", "PyTorch"),
        (True, "missing", "VBench 1.0, imaging_quality.py", None),
        (True, "here", "another", None),
    ],
)
def test_who_computed_the_products_of_vbench_networks(
    compiled: bool,
    state: str,
    source: str,
    products: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(products_module, "library", lambda: object() if compiled else None)
    monkeypatch.setattr(products_module, "simd", lambda: None)
    monkeypatch.setattr(packed, "usable", lambda: False)
    content = {"run": "1", "assets": {"weights": {"state": state}}, "scorers": [{"name": "a", "source": source}]}
    write_manifest(tmp_path, content, "cpu", datetime.now(UTC), {}, {})
    (invocation,) = read_manifest(tmp_path)["invocations"]
    assert invocation["device"].get("products") == products


@pytest.mark.parametrize("damage", ["[]", "{", '"text"', ""])
def test_a_damaged_manifest_counts_as_none(tmp_path: Path, damage: str) -> None:
    (tmp_path / MANIFEST).write_text(damage)
    assert read_manifest(tmp_path) == {}


def test_revision_and_dirtiness(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True)

    assert git_state(tmp_path) is None
    git("init")
    (tmp_path / "file").write_text("one")
    (tmp_path / "inner").mkdir()
    git("add", ".")
    git("commit", "-m", "x")
    clean = git_state(tmp_path)
    assert (len(clean["revision"]), clean["dirty"]) == (40, False)
    (tmp_path / "file").write_text("two")
    assert git_state(tmp_path) == {"revision": clean["revision"], "dirty": True}
    assert git_state(tmp_path / "inner") is None


def test_extras_are_not_required() -> None:
    versions = package_versions()
    assert "torch" in versions
    assert not {"ruff", "pytest", "ray", "jsonschema"} & versions.keys()
