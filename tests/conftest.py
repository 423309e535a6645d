"""Fixtures for the whole suite: the command line as a user has it, and suites for the test kit's model."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PLUGIN = ROOT / "tests" / "plugin"
# In-process tests reach the test kit through entry points exactly as the command line does.
sys.path.insert(0, str(PLUGIN))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees or changes the user's assets or store."""
    monkeypatch.setenv("NOVA_BENCH_ASSETS", str(tmp_path_factory.mktemp("assets")))
    monkeypatch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hub")))
    monkeypatch.delenv("NOVA_BENCH_STORE", raising=False)


@pytest.fixture
def environment() -> dict[str, str]:
    """Environment of a command-line process: this source tree, and the test kit as an installed package."""
    path = os.pathsep.join([str(ROOT), str(PLUGIN), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return {**os.environ, "PYTHONPATH": path, "COLUMNS": "200", "OMP_NUM_THREADS": "1"}


@pytest.fixture
def cli(tmp_path: Path, environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `python -m nova_bench ...` in ``tmp_path`` and return the finished process."""

    def run(*arguments: object, timeout: float = 120, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "nova_bench", *map(str, arguments)],
            cwd=tmp_path,
            env={**environment, **more},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture
def write_suite(tmp_path: Path) -> Callable[..., Path]:
    """Write a suite for the test kit's `drift` model; keyword arguments replace top-level keys."""

    def write(name: str = "suite.yaml", **keys: object) -> Path:
        suite: Mapping[str, object] = {
            "name": "smoke",
            "title": "Smoke test",
            "model": {"adapter": "drift"},
            "prompts": {"samples_per_prompt": 2, "entries": ["a cat", "a dog", "a house"]},
            "sampling": {"num_frames": 3, "height": 16, "width": 16},
            "scorers": ["brightness", "roughness"],
            "statistics": {"resamples": 200},
        }
        path = tmp_path / name
        path.write_text(yaml.safe_dump({**suite, **keys}, sort_keys=False), encoding="utf-8")
        return path

    return write
