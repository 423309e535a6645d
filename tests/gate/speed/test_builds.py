"""`compare --speed` with real networks: another build of this package, and equal sides."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

import nova_bench

SHORT = ("--set", "setting.num_inference_steps=1", "--set", "setting.num_diffusion_steps=1")
SHORT += ("--set", "setting.batch_size=1", "--set", "setting.num_frames=1", "-q")
SLOWER = """

_original = NOVAPipeline.__call__


def _slower(*arguments, **options):
    import time

    time.sleep(0.4)
    return _original(*arguments, **options)


NOVAPipeline.__call__ = _slower
"""


@pytest.mark.slow
def test_a_slower_build_regressed(cli: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    package = Path(nova_bench.__file__).parent
    copy = tmp_path / "slower" / "nova_bench"
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("checkpoints", "__pycache__"))
    pipeline = copy / "nova" / "pipeline.py"
    pipeline.write_text(pipeline.read_text() + SLOWER)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={copy.parent} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    sides = ("miniature@random", "miniature@random", "--python-b", python)
    done = cli("compare", "--speed", *sides, *SHORT, "--starts", 6, "--pairs", 3, "--json", "verdict.json")
    assert done.returncode == 1, done.stdout + done.stderr
    file = json.loads((tmp_path / "verdict.json").read_text())
    assert file["verdict"] == "regressed"
    assert file["b"]["median"] - file["a"]["median"] > 0.3
    assert Path(file["a"]["build"]["folder"]) == package
    assert Path(file["b"]["build"]["folder"]) == copy
    assert file["a"]["machine"] == file["b"]["machine"]
    assert "folder of nova_bench" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("clock", ["wall", "processor"])
def test_equal_sides_are_not_regressed(cli: Callable[..., CompletedProcess[str]], tmp_path: Path, clock: str) -> None:
    done = cli("compare", "--speed", "nova-tiny", "nova-tiny", *SHORT, "--clock", clock, "--json", "verdict.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "verdict.json").read_text())["verdict"] in ("pass", "inconclusive", "improved")
    assert "the same model and the same build" in done.stderr


@pytest.mark.slow
def test_the_sampling_of_a_benchmark_is_timed(cli: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    steps = ("--set", "sampling.num_inference_steps=1", "--set", "sampling.num_diffusion_steps=1")
    options = ("--suite", "shapes", *steps, "--set", "execution.batch_size=1", "--starts", 1, "--pairs", 1)
    done = cli("compare", "--speed", "nova-tiny", "nova-tiny", *options, "--json", "verdict.json")
    assert done.returncode == 0, done.stdout + done.stderr
    file = json.loads((tmp_path / "verdict.json").read_text())
    assert file["a"]["setting"]["decoded_frames"] == 17
    assert (file["verdict"], file["low"], len(file["a"]["seconds"])) == ("inconclusive", None, 1)
