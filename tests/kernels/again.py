"""Tests that pass a second time, in a process of their own, with another choice of kernels."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def pass_again(*arguments: str, **variables: str) -> None:
    """Run pytest with these arguments and further environment variables. AssertionError with its output if it fails."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    again = subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True)
    assert again.returncode == 0, again.stdout + again.stderr
    assert " passed" in again.stdout or "[100%]" in again.stdout
