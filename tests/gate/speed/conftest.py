"""Sides whose worker is a few lines of Python: they state any facts and times, or misbehave."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

MACHINE = {"device": "cpu", "name": "a processor", "threads": "1", "governor": "performance", "torch": "2.9"}
SETTING = {"num_frames": 5, "size": "96x64", "temporal_autoregressive": True}
BUILD = {"nova_bench": "0.1.0", "folder": "/somewhere"}
STEADY = "answer(0.1 * random.lognormvariate(0, 0.01))"
WORKER = """\
#!{python} -S
import json, os, random, sys, time
def answer(seconds):
    print(json.dumps({{"wall": seconds, "processor": 2 * seconds}}), flush=True)
sys.stdin.readline()
with open("starts", "a+") as starts:  # the sides take turns
    starts.write({name!r})
    starts.seek(0)
    random.seed(starts.read())
print({facts!r}, flush=True)
for number, _ in enumerate(sys.stdin):
    with open("calls", "a") as calls:
        calls.write({name!r})
    {body}
"""


@dataclass(frozen=True)
class Speed:
    """`compare --speed` between two such sides."""

    cli: Callable[..., subprocess.CompletedProcess[str]]
    folder: Path

    def side(self, name: str, body: str = STEADY, **facts: dict[str, Any]) -> Path:
        """A Python whose worker runs ``body`` for each call; ``facts`` replace some of machine, setting and build."""
        known = {"machine": MACHINE, "setting": SETTING, "build": BUILD}
        stated = {part: {**own, **facts.get(part, {})} for part, own in known.items()}
        path = self.folder / f"python-{name}"
        path.write_text(WORKER.format(python=sys.executable, name=name, facts=json.dumps({"facts": stated}), body=body))
        path.chmod(0o755)
        return path

    def compare(self, a: Path, b: Path, *options: object) -> subprocess.CompletedProcess[str]:
        """The finished command, of a few starts; it writes verdict.json."""
        for name in ("starts", "calls"):
            (self.folder / name).unlink(missing_ok=True)
        sides = ("miniature@random", "miniature@random", "--python-a", a, "--python-b", b)
        often = ("--starts", 7, "--pairs", 3)
        return self.cli("compare", "--speed", *sides, "--json", "verdict.json", "-q", *often, *options)

    @property
    def file(self) -> dict[str, Any]:
        return json.loads((self.folder / "verdict.json").read_text())


@pytest.fixture
def speed(cli: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> Speed:
    return Speed(cli, tmp_path)
