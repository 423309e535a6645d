"""One side of a comparison in a process of its own: how it is started, what it imports, and its peak memory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def run_side(
    python: str, script: str, arguments: Sequence[object], threads: int, official: bool, more: Mapping[str, str]
) -> dict[str, Any]:
    """What a script, started as one side, prints as JSON in its last line. Ends the program if it fails.

    The official side finds its code through PYTHONPATH, ours must not.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), **more}
    if not official:
        environment.pop("PYTHONPATH", None)
    command = [python, script, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{result.stderr}")
    return json.loads(result.stdout.strip().splitlines()[-1])


def set_imports(official: bool) -> None:
    """Let this process find either our package or the official code, and no script of this folder in their place."""
    here = Path(__file__).resolve().parent  # where `vbench` is not the package
    sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != here]
    if not official:
        sys.path.insert(0, str(ROOT))


def peak_bytes() -> int:
    """The most memory that this process has had. Not getrusage's, which it inherits from the one that started it."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found, "Linux states VmHWM"
    return int(found[1]) * 1024
