"""Runs of the test kit's model, compared through the command line."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nova_bench.core.identity import digest

PROMPTS = [f"prompt {index}" for index in range(24)]


@dataclass(frozen=True)
class Outcome:
    """A finished command and the verdict.json it wrote."""

    done: subprocess.CompletedProcess[str]
    file: dict[str, Any]

    @property
    def code(self) -> int:
        return self.done.returncode

    def metric(self, name: str) -> dict[str, Any]:
        return next(metric for metric in self.file["metrics"] if metric["metric"] == name)


@dataclass(frozen=True)
class Gate:
    """The commands on one suite, each in its own store unless `--store` is given."""

    cli: Callable[..., subprocess.CompletedProcess[str]]
    folder: Path
    suite: Path
    known: Path

    def run(self, store: str, *options: str) -> str:
        """Run the suite in a new store, or copy the store of an equal run of another test; returns the store."""
        kept = self.known / digest("run", [self.suite.read_text(), options])
        if not kept.exists():
            done = self.cli("run", self.suite, "--store", kept, "-q", *options)
            assert done.returncode in (0, 3), done.stderr
        shutil.copytree(kept, self.folder / store)
        return store

    def compare(self, a: str, b: str, *options: str) -> Outcome:
        return self._with_file("compare", a, b, *options)

    def bless(self, store: str, *options: str) -> subprocess.CompletedProcess[str]:
        return self.cli("bless", self.suite, "--baseline", "base.json", "--store", store, "-q", *options)

    def check(self, store: str, *options: str) -> Outcome:
        return self._with_file("check", self.suite, "--baseline", "base.json", "--store", store, *options)

    def _with_file(self, *arguments: object) -> Outcome:
        path = self.folder / "verdict.json"
        path.unlink(missing_ok=True)
        done = self.cli(*arguments, "--json", path)
        return Outcome(done, json.loads(path.read_text()) if path.exists() else {})


@pytest.fixture
def gate(
    cli: Callable[..., subprocess.CompletedProcess[str]],
    write_suite: Callable[..., Path],
    tmp_path: Path,
    known_runs: Path,
) -> Gate:
    """24 prompts, one sample each; brightness decides, with a margin of 0.02; roughness (less is better) too."""
    return Gate(cli, tmp_path, write_suite(**suite_keys()), known_runs)


@pytest.fixture(scope="session")
def known_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stores of runs that several tests compare."""
    return tmp_path_factory.mktemp("known")


def suite_keys() -> dict[str, Any]:
    return {
        "prompts": {"entries": PROMPTS},
        "sampling": {"num_frames": 2, "height": 16, "width": 16, "lossless": True},
        "scorers": ["brightness", "roughness", "even"],
        "derived": ["overall"],
        "gate": {"metrics": ["brightness", "roughness"], "margins": {"brightness": 0.02, "roughness": 2.0}},
    }
