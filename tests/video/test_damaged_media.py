"""Files damaged at random end with frames or with the reader's own error, and with nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "damaged_media.py"


def test_four_hundred_files() -> None:
    command = [sys.executable, SCRIPT, "--files", "432", "--seed", "20241216"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"432 files: (\d+) gave frames, (\d+) the reader's error, 0 neither", done.stdout)
    assert found, done.stdout
    frames, errors = map(int, found.groups())
    assert frames > 40, "hardly a file was read: the damage, or the reader, is too much"
    assert errors > 40, "hardly a file was refused"
