"""Measure on one GPU what no CPU can show, in minutes and without a download; needs the kit of `make gpu-kit`.

    python benchmarks/gpu.py --out FOLDER [--kit build/gpu-kit] [--minutes 8.5] [--original PATH]
    python benchmarks/gpu.py --out FOLDER --rehearse       # the same code on a GPU that isn't there, with miniatures

The most valuable rows come first, and FOLDER/gpu.zip is written anew after each of them, so whatever ends the script
costs one row. An exception, memory that runs out or a row that takes too long costs that row alone; those that don't
fit in the time are named. `benchmarks/gpu_tables.py` turns the archive into the appendix's rows.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
MOST_BYTES = 16 * 2**20
RESERVE = 5.0
"""Seconds kept for the end."""


class Archive:
    """The rows measured so far, in one file that is replaced as a whole."""

    def __init__(self, path: Path, about: dict[str, Any]):
        self._path, self._about = path, about
        self._rows: dict[str, dict[str, Any]] = {}

    def add(self, name: str, row: dict[str, Any]) -> None:
        """Write the archive with one more row. ValueError if it would be larger than what can be brought back."""
        self._rows[name] = row
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("about.json", json.dumps(self._about, indent=1))
            for key, value in self._rows.items():
                archive.writestr(f"rows/{key.replace('/', '-')}.json", json.dumps({"row": key, **value}, indent=1))
        if content.tell() > MOST_BYTES:
            del self._rows[name]
            raise ValueError(f"{name}: the archive would be larger than {MOST_BYTES} bytes")
        temporary = self._path.with_suffix(".writing")
        temporary.write_bytes(content.getvalue())
        os.replace(temporary, self._path)


class OutOfTime(Exception):
    """A row took all the time that was left."""


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise OutOfTime inside after so many seconds."""

    def ring(*_: object) -> None:
        raise OutOfTime(f"nothing finished within the {seconds:.0f} s that were left")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(0.1, seconds))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def measure(name: str, work: Callable[[Any], Any], bench: Any, archive: Archive) -> None:
    """Measure a row and save it; whatever goes wrong is saved in its place. Its parts, if it has any, are rows, too."""
    began = time.monotonic()
    try:
        with limited(bench.left):
            found = work(bench)
    except Exception as error:
        found = {"failed": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
        bench.say(f"{name}: {found['failed']}")
        bench.release()
    if not isinstance(found, dict):
        for part, of_part in found:
            measure(f"{name}/{part}", of_part, bench, archive)
        return
    took = time.monotonic() - began
    archive.add(name, {**found, "took": took})
    if "failed" not in found:
        bench.say(f"{name}: {took:.1f} s; {bench.left:.0f} s left")


def unpack(kit: Path) -> None:
    """Let this process find the kit's packages, where the machine lacks them."""
    folder = Path(tempfile.mkdtemp(prefix="nova_bench-kit-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # packages are imported from it to the end
    for wheel in sorted((kit / "wheels").glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    sys.path.append(str(folder))


def start_weights(bench: Any) -> subprocess.Popen[bytes]:
    """Make the networks' weights beside what the GPU does first, at the lowest priority."""
    code = "import sys; sys.path[:0] = sys.argv[3:]; import pathlib, gpu_rows; "
    code += "gpu_rows.make_weights(pathlib.Path(sys.argv[1]), sys.argv[2] == 'True')"
    command = [sys.executable, "-c", code, str(bench.weights), str(bench.small), *sys.path]
    threads = {"OMP_NUM_THREADS": "4", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen(command, env={**os.environ, **threads}, preexec_fn=lambda: os.nice(19))


@contextlib.contextmanager
def small_products() -> Iterator[None]:
    """Time small matrix products: in a rehearsal a CPU computes them."""
    from unittest import mock

    from nova_bench.experiments.latency import machine

    with mock.patch.dict(machine._SIDES, cuda=(128,)):
        yield


def about(device: str) -> dict[str, Any]:
    """The machine and the code, in the terms of a measurement's identity."""
    from nova_bench.experiments.latency.build import build_digest
    from nova_bench.experiments.latency.machine import describe_machine
    from nova_bench.pipeline.manifest import git_state

    return {
        "machine": describe_machine(device),
        "build": build_digest(),
        "git": git_state(ROOT),
        "python": sys.version.split()[0],
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for gpu.zip")
    parser.add_argument("--kit", type=Path, default=ROOT / "build" / "gpu-kit", help="folder made by `make gpu-kit`")
    parser.add_argument("--minutes", type=float, default=8.5, help="time for everything")
    parser.add_argument("--original", type=Path, help="a checkout of the original implementation, for its speed")
    parser.add_argument("--rows", nargs="*", help="only these rows")
    parser.add_argument("--rehearse", action="store_true", help="on a GPU that isn't there")
    options = parser.parse_args()
    until = time.monotonic() + 60 * options.minutes - RESERVE
    if not (options.kit / "clips.npz").is_file():
        parser.error(f"{options.kit} holds no kit: run `make gpu-kit` where packages can be downloaded")
    unpack(options.kit)
    import gpu_rows as rows
    import torch

    table = {
        "table-1": rows.table_1,
        "table-2-projected": rows.table_2_projected,
        "parity-nova": rows.parity_nova,
        "parity-vbench": rows.parity_vbench,
        "modes": rows.modes,
        "vbench-seconds": rows.vbench_seconds,
        "original": rows.original,
        "table-2": rows.table_2,
    }
    if unknown := set(options.rows or ()) - set(table):
        parser.error(f"unknown row {sorted(unknown)[0]}; there are {', '.join(table)}")
    options.out.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        if options.rehearse:
            from tests.fake_card import fake_card

            stack.enter_context(fake_card())
            stack.enter_context(small_products())
        elif not torch.cuda.is_available():
            parser.error("no CUDA device here: --rehearse runs the same code without one")
        bench = rows.Bench("cuda", options.kit, options.rehearse, until, options.original)
        stack.callback(shutil.rmtree, bench.weights, ignore_errors=True)
        weights = start_weights(bench)
        stack.callback(weights.wait)
        stack.callback(weights.kill)
        archive = Archive(options.out / "gpu.zip", {**about("cuda"), "rehearsal": options.rehearse})
        for name in options.rows or table:
            measure(name, table[name], bench, archive)
    print(f"saved: {options.out / 'gpu.zip'}; {bench.left + RESERVE:.0f} s of {60 * options.minutes:.0f} left")
    return 0


if __name__ == "__main__":
    sys.exit(main())
