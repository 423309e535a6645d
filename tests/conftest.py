"""Fixtures for the whole suite: the command line as a user has it, and suites for the test kit's model."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, settings

from tests import warm
from tests.http_stand_in import server, url_asset  # noqa: F401  (fixtures)

ROOT = Path(__file__).parent.parent
PLUGIN = ROOT / "tests" / "plugin"
# Several tests run at once: more threads than cores would make each of them slower. Set before torch is imported.
os.environ["OMP_NUM_THREADS"] = "1"
# All processes of the tests, wherever they start, have this source tree, and the test kit as an installed package;
# in-process tests reach it through entry points exactly as the command line does.
_path = [str(ROOT), str(PLUGIN), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(_path))
os.environ["COLUMNS"] = "200"
sys.path.insert(0, str(PLUGIN))
# What users set for themselves changes no test. The hub's library looks at these once, when it is imported.
for _name in list(os.environ):
    if _name.startswith(("HF_", "HUGGINGFACE_", "TRANSFORMERS_", "NOVA_BENCH_")):
        del os.environ[_name]
os.environ["HF_HOME"] = str(ROOT / "tests" / "no_hub")
# Those by which terminals and CI ask for colour, which breaks sentences that tests look for.
COLOURS = ("FORCE_COLOR", "NO_COLOR", "CLICOLOR_FORCE", "PY_COLORS", "GITHUB_ACTIONS")
# How long an example takes says how busy the machine is, nothing about the property.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees or changes the user's assets or store."""
    monkeypatch.setenv("NOVA_BENCH_ASSETS", str(tmp_path_factory.mktemp("assets")))
    monkeypatch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hub")))
    monkeypatch.delenv("NOVA_BENCH_STORE", raising=False)


@pytest.fixture
def environment(_own_cache: None) -> dict[str, str]:
    """Environment of a command-line process: this source tree, the test kit as an installed package, own assets."""
    return {name: value for name, value in os.environ.items() if name not in COLOURS}


@pytest.fixture
def cli(tmp_path: Path, environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line in ``tmp_path``, in a process whose imports are behind it, and return the finished one."""
    return lambda *arguments: warm.run(arguments, tmp_path, environment)


@pytest.fixture
def fresh_cli(tmp_path: Path, environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The same as a new `python -m nova_bench ...`: for what Python does when it starts, and for variables that
    libraries read when they are imported."""

    def run(*arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "nova_bench", *map(str, arguments)],
            cwd=tmp_path,
            env={**environment, **more},
            capture_output=True,
            text=True,
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
            "report": {"figure_formats": ["svg"]},
        }
        path = tmp_path / name
        path.write_text(yaml.safe_dump({**suite, **keys}, sort_keys=False), encoding="utf-8")
        return path

    return write


def pytest_collection_finish() -> None:
    """Thousands of tests are no garbage, and looking at them took a third of a second each time."""
    gc.collect()
    gc.freeze()
