"""Time `plan` from process start to its last line: a VBench-sized suite, and one of 100,000 samples.

    python benchmarks/plan_speed.py [--repeat 5]

Every process is new, so imports count. The suites have numbered prompts and the test kit's `drift` model, which
generates nothing here: planning is the same for all generating models.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAMPLES_PER_PROMPT = 5
SIZES = {"VBench-sized": 946, "100,000 samples": 20_000}
DIMENSIONS = ("human_action", "scene", "color", "object_class", "spatial_relationship", "overall_consistency")

SUITE = """\
name: planned
title: Planned only
model: {adapter: drift}
prompts: {file: prompts.jsonl, samples_per_prompt: %d}
sampling: {num_frames: 29, height: 480, width: 768}
scorers: [temporal_flickering, dynamic_degree_dis]
"""


def write_suite(folder: Path, prompts: int) -> Path:
    """Write a suite of ``prompts`` prompts, each with one tag."""
    lines = (
        json.dumps({"text": f"prompt {number} of a cat on a street", "tags": [DIMENSIONS[number % len(DIMENSIONS)]]})
        for number in range(prompts)
    )
    (folder / "prompts.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    suite = folder / "suite.yaml"
    suite.write_text(SUITE % SAMPLES_PER_PROMPT, encoding="utf-8")
    return suite


def seconds_to_plan(suite: Path, samples: int) -> float:
    """Wall time of one `plan` process. Raises RuntimeError if it fails or plans something else."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "plugin")])
    started = time.perf_counter()
    result = subprocess.run(
        [sys.executable, "-m", "nova_bench", "plan", str(suite)],
        cwd=suite.parent,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    if result.returncode != 0 or f"samples: {samples}," not in result.stdout:
        raise RuntimeError(result.stderr or result.stdout)
    return seconds


def main() -> None:
    """Print the median and the range for each size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=5, help="processes per size")
    parser.add_argument("--miniature", action="store_true", help="20 prompts")
    options = parser.parse_args()
    repeat = options.repeat
    for name, prompts in ({"miniature": 20} if options.miniature else SIZES).items():
        samples = prompts * SAMPLES_PER_PROMPT
        with tempfile.TemporaryDirectory() as folder:
            suite = write_suite(Path(folder), prompts)
            times = [seconds_to_plan(suite, samples) for _ in range(repeat)]
        print(
            f"{name}: {samples} samples of {prompts} prompts: median {statistics.median(times):.2f} s "
            f"(from {min(times):.2f} to {max(times):.2f} s, {repeat} processes)"
        )


if __name__ == "__main__":
    main()
