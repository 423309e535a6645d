"""The product as people install it: an sdist and a wheel, the wheel in a fresh environment outside the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]
Run = Callable[..., subprocess.CompletedProcess[str]]


def run(*command: str | Path, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    # What the other tests set for themselves would put the source tree before what is installed.
    outside = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "HF_HOME")}
    return subprocess.run(
        list(map(str, command)), cwd=folder, env={**outside, **environment}, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sdist, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    built = run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, folder=folder)
    assert built.returncode == 0, built.stdout + built.stderr
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return {"sdist": sdist, "wheel": wheel}


@pytest.fixture(scope="module")
def installed(distributions: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The command line of the wheel, installed with all it requires."""
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    constraints = ROOT / "constraints.txt"
    pip = run(python, "-m", "pip", "install", "--quiet", "-c", constraints, distributions["wheel"], folder=environment)
    assert pip.returncode == 0, pip.stderr
    return lambda *arguments, folder, **more: run(python, "-m", "nova_bench", *arguments, folder=folder, **more)


@pytest.mark.slow
def test_the_distributions_are_sound(distributions: dict[str, Path], tmp_path: Path) -> None:
    checked = run(sys.executable, "-m", "twine", "check", "--strict", *distributions.values(), folder=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    contents = run(sys.executable, "-m", "check_wheel_contents", distributions["wheel"], folder=tmp_path)
    assert contents.returncode == 0, contents.stdout + contents.stderr
    inside = ZipFile(distributions["wheel"]).namelist()
    for path in (ROOT / "suites").rglob("*"):
        if path.is_file():
            assert f"nova_bench/{path.relative_to(ROOT)}" in inside
    assert not [name for name in inside if name.startswith(("tests/", "benchmarks/"))]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_wheel_works_from_any_folder(installed: Run, tmp_path: Path) -> None:
    listed = installed("list", folder=tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert "VBench" in listed.stdout
    for suite in ("vbench", "suites/vbench.yaml", "tiny", "appendix"):
        planned = installed("plan", suite, folder=tmp_path)
        # 3: it is planned, and weights or a prompt list are missing here.
        assert planned.returncode in (0, 3), planned.stdout + planned.stderr
        assert "no such suite" not in planned.stderr
    ran = installed(
        "run", "shapes", "--limit", "2", "--dims", "shapes/object_class", "--device", "cpu", folder=tmp_path
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "shapes/object_class" in ran.stdout
    (manifest,) = tmp_path.glob("runs/shapes-*/manifest.json")
    (file,) = json.loads(manifest.read_text())["suite_files"]
    assert file["path"].endswith("shapes.yaml")
    assert len(file["sha256"]) == 64
