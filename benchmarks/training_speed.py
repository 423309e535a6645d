"""Steps a second of a training, alone and beside a busy process: python benchmarks/training_speed.py [--steps 40]

Each way of using threads trains the first steps of an ablation in a process of its own, first with nothing else to do,
then while a process that never rests keeps one core busy. The first steps, which warm up, don't count.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
WARM_UP = 5
WAYS: dict[str, tuple[int, dict[str, str]]] = {
    "1 thread": (1, {}),
    "2 threads": (2, {}),
    "2 threads, passive waiting": (2, {"OMP_WAIT_POLICY": "PASSIVE"}),
}


def steps_a_second(training: str, steps: int, threads: int, more: dict[str, str], folder: Path) -> float:
    """Train that many steps from the beginning."""
    command = [sys.executable, "-m", "nova_bench", "train", training, "--threads", str(threads), "--device", "cpu"]
    # Clips are made in advance: a training of one step ends when they are there.
    for count in (1, steps):
        changes = [
            "--set",
            f"transformer.optimization.steps={count}",
            "--set",
            "data.clips=64",
            "--set",
            "held_out=null",
        ]
        environment = {**os.environ, **more}
        subprocess.run(
            [*command, *changes, "--out", folder, "--quiet"],
            cwd=ROOT,
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )
    (log,) = folder.glob("*/transformer.jsonl")
    seconds = [json.loads(line)["seconds"] for line in log.read_text(encoding="utf-8").splitlines()]
    return (steps - WARM_UP) / (seconds[steps - 1] - seconds[WARM_UP - 1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--training", default="ablation_default")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--way", choices=WAYS, nargs="+", default=list(WAYS), help="only these")
    options = parser.parse_args()
    print("| threads | alone, steps/s | beside a busy process | share kept |\n|---|---|---|---|")
    for name in options.way:
        threads, more = WAYS[name]
        found = []
        for busy in (False, True):
            other = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if busy else None
            try:
                with tempfile.TemporaryDirectory() as folder:
                    found.append(steps_a_second(options.training, options.steps, threads, more, Path(folder)))
            finally:
                if other:
                    other.kill()
                    other.wait()
        print(f"| {name} | {found[0]:.2f} | {found[1]:.2f} | {found[1] / found[0]:.0%} |", flush=True)


if __name__ == "__main__":
    main()
