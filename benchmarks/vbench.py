"""Time VBench's dimensions, all sixteen: our scorers against the official code, same clips, weights and machine.

    python benchmarks/vbench.py [VIDEO ...] [--large FRAMES] [--dimension NAME ...] [--threads N] [--pairs N]
                                [--without-amx] [--device cpu|cuda] [--each] [--keep FOLDER]
                                [--official-python PATH --dino-code FOLDER [--prepare MODULE]]

Weights follow the rules of tests/parity/vbench (full size, so as slow as the official ones): times and differences are
shown, never scores. Each side of each dimension runs in its own process; loading is excluded from its time, decoding
included; its peak memory is that of the whole process. Then come sets as users run them: ours in one process that
decodes each video once, the official ones dimension by dimension. The last row repeats dynamic
degree with weights that give larger flows, so that clips count as moving and an early exit can take effect.

Dimensions that run one network in the same way on either side are measured once (the row says "as ..."): object_class
for multiple_objects and spatial_relationship, temporal_style for overall_consistency. --each measures them all.
--keep FOLDER keeps each measurement there, so that an interrupted run with the same clips and settings continues.

The official GRiT looks at --grit-frames frames of each video and its time is multiplied, since it takes most of a
minute per frame. Random texts hardly end: GRiT's are cut off on both sides (--longest). Times are processor seconds on
a CPU, all threads together: with one thread they don't depend on other work on the machine. On CUDA they are wall time.

See vbench_official.py for what the official side needs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import vbench_official
import vbench_ours
from sides import peak_bytes, run_side, set_imports
from vbench_inputs import (
    CLIPS,
    DETECTION,
    NETWORKS,
    QUALITY,
    ROOT,
    enlarge_flow,
    make_large,
    make_weights,
)

MOVING = "dynamic_degree"
GRIT_FRAMES = 16  # of each video
# On either side these run a network in the same way and differ in rules about words, so one is measured for all.
SAME = {
    "multiple_objects": "object_class",
    "spatial_relationship": "object_class",
    "overall_consistency": "temporal_style",
}
NO_AMX = {"NOVA_BENCH_SLICED": "0", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}
Measured = dict[str, Any]


def work(options: argparse.Namespace) -> None:
    """Run one side of one dimension, or our set; print seconds, peak memory and results as JSON."""
    weights, names = Path(options.weights), options.dimension
    set_imports(official=options.side == "official")
    if options.side == "official":
        vbench_official.prepare(weights, options.prepare)
    import torch

    torch.set_num_threads(options.threads)
    common = (options.videos, weights, options.device)
    if options.side == "set":
        run = vbench_ours.load_set(names, *common, options.longest)
    elif options.side == "official":
        cut = (options.dino_code, options.grit_frames, options.longest)
        run = vbench_official.load(names[0], *common, *cut)
    else:
        run = vbench_ours.load(names[0], *common, options.longest)
    started, used = time.perf_counter(), time.process_time()
    scores = run()
    seconds, used = time.perf_counter() - started, time.process_time() - used
    print(json.dumps({"wall": seconds, "cpu": used, "MiB": peak_bytes() / 2**20, "scores": scores}))


def _settings(options: argparse.Namespace) -> str:
    """A short name for the clips and settings that a measurement depends on."""
    names = [Path(video).name for video in options.videos]
    settings = [names, options.threads, options.device, options.longest, options.grit_frames, options.heat]
    return hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:12]


def measure(
    side: str, dimensions: Sequence[str], options: argparse.Namespace, weights: Path, number: int | str = 0
) -> Measured:
    """Run one side of one dimension, or our set, in a separate process; or read what was kept of it."""
    name = f"{side} {len(dimensions)} {dimensions[0]} {number} {_settings(options)}.json"
    kept = options.keep and options.keep / name
    if kept and kept.exists():
        return json.loads(kept.read_text())
    kind = side.removesuffix(" without AMX")
    python = options.official_python if kind == "official" else sys.executable
    arguments = [*options.videos, "--side", kind, "--weights", weights]
    arguments += [word for dimension in dimensions for word in ("--dimension", dimension)]
    arguments += ["--threads", options.threads, "--device", options.device]
    arguments += ["--longest", options.longest, "--grit-frames", options.grit_frames]
    arguments += ["--dino-code", options.dino_code] if options.dino_code else []
    arguments += ["--prepare", options.prepare] if options.prepare else []
    found = run_side(python, __file__, arguments, options.threads, kind == "official", NO_AMX if side != kind else {})
    if kind == "official" and dimensions[0] in DETECTION:
        for clock in ("wall", "cpu"):
            found[clock] *= GRIT_FRAMES / options.grit_frames
    if kept:
        kept.write_text(json.dumps(found))
    return found


def missing(options: argparse.Namespace) -> str | None:
    """Say what the official side lacks; None if it can run."""
    if options.official_python is None:
        return "the official code is not compared: give --official-python (vbench_official.py says what it needs)"
    described = set(options.dimension) - set(QUALITY)
    wanted = vbench_official.IMPORTS + (vbench_official.DESCRIBING_IMPORTS if described else ())
    probe = "import importlib.util as u, sys; print([n for n in sys.argv[1:] if u.find_spec(n) is None])"
    command = [options.official_python, "-c", probe, *wanted]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        return f"{options.official_python} does not run: {result.stderr.strip()}"
    if (absent := result.stdout.strip()) != "[]":
        return f"{options.official_python} lacks {absent}: pip install --no-deps"
    if "subject_consistency" in options.dimension and not Path(options.dino_code or "", "hubconf.py").is_file():
        return "give --dino-code: a checkout of github.com/facebookresearch/dino"
    return None


def apart(ours: list[float | None], official: list[float]) -> str:
    """Largest difference between values that both measured."""
    pairs = [(a, b) for a, b in zip(ours, official, strict=True) if a is not None]
    return f"{max(abs(a - b) for a, b in pairs):.1e}" if pairs else "-"


class Table:
    """Rows of seconds by side, with ratios and peak memory; sums of rows for the totals."""

    def __init__(self, sides: Sequence[str], clock: str):
        self._sides, self._clock = sides, clock
        self._seconds: dict[str, dict[str, list[float]]] = {}
        columns = ["dimension", *(f"{side}, s" for side in sides), *(f"times {side}" for side in sides[1:])]
        columns += [*(f"{side}, MiB" for side in sides), "apart"]
        print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)

    def same(self, name: str, measured: str) -> None:
        """Count another dimension's seconds for one that does the same."""
        self._seconds[name] = self._seconds[measured]
        self._line(f"{name}, as {measured}", self._seconds[name], {}, "-")

    def row(self, name: str, runs: Sequence[dict[str, Measured]], difference: str) -> None:
        """Print a dimension, measured once or several times."""
        self._seconds[name] = {side: [run[side][self._clock] for run in runs] for side in self._sides}
        self._line(
            name, self._seconds[name], {side: max(r[side]["MiB"] for r in runs) for side in self._sides}, difference
        )

    def total(self, name: str, dimensions: Sequence[str], whole: dict[str, Measured] | None = None) -> None:
        """Print a sum of dimensions; ``whole`` replaces the sum for the sides that did them together."""
        seconds = {
            side: [sum(values) for values in zip(*(self._seconds[d][side] for d in dimensions), strict=True)]
            for side in self._sides
        }
        memory = {}
        for side, found in (whole or {}).items():
            seconds[side], memory[side] = [found[self._clock]] * len(seconds[side]), found["MiB"]
        self._line(name, seconds, memory, "")

    def _line(self, name: str, seconds: dict[str, list[float]], memory: dict[str, float], difference: str) -> None:
        first, *others = self._sides
        cells = [f"{median(seconds[side]):.2f}" for side in self._sides]
        for side in others:
            ratios = [a / b for a, b in zip(seconds[first], seconds[side], strict=True)]
            spread = f" ({min(ratios):.1f} to {max(ratios):.1f})" if len(ratios) > 1 else ""
            cells.append(f"{median(ratios):.1f}{spread}")
        cells += [f"{memory[side]:.0f}" if side in memory else "" for side in self._sides]
        print(f"| {name} | {' | '.join(cells)} | {difference} |", flush=True)


def compare(options: argparse.Namespace, folder: Path) -> None:
    """Measure and print everything requested."""
    if note := missing(options):
        print(f"{note}\n")
    sides = [*(() if note else ("official",)), "ours", *(("ours without AMX",) if options.without_amx else ())]
    clock = "cpu" if options.device == "cpu" else "wall"
    print(f"{len(options.videos)} clips, {options.device}, {options.threads} threads, {clock} time")
    table = Table(sides, clock)
    make_weights(folder, options.dimension, options.heat)
    for dimension in options.dimension:
        if not options.each and SAME.get(dimension) in options.dimension:
            continue
        runs = [
            {side: measure(side, [dimension], options, folder, number) for side in sides}
            for number in range(options.pairs)
        ]
        comparable = not note and dimension not in DETECTION
        scores = [runs[-1][side]["scores"] for side in ("ours", "official")] if comparable else []
        table.row(dimension, runs, apart(*scores) if scores else "-")
        for name in options.dimension if not options.each else ():
            if SAME.get(name) == dimension:
                table.same(name, dimension)
    quality = [name for name in options.dimension if name in QUALITY]
    for name, wanted in (("quality", quality), ("all", options.dimension)):
        if wanted and (name == "all" or len(quality) < len(options.dimension)):
            table.total(f"{name}, one after the other", wanted)
            whole = {s: measure(s.replace("ours", "set"), wanted, options, folder) for s in sides if s != "official"}
            table.total(f"{name}, decoded once", wanted, whole)
    if MOVING in options.dimension:
        enlarge_flow(folder)
        runs = [{side: measure(side, [MOVING], options, folder, "moving") for side in sides}]
        scores = [runs[0][side]["scores"] for side in ("ours", *sides[:1])]
        name = f"{MOVING}, {sum(scores[0]):.0f} of {len(options.videos)} clips moving"
        table.row(name, runs, "-" if note else apart(*scores))
    _spent(whole["ours"])


def _spent(together: Measured) -> None:
    found, seconds = together["scores"], together["wall"]
    decoding, networks = (part / seconds for part in (found["seconds"]["decoding"], found["networks"]))
    print(
        f"\nOur set: {found['frames'] / seconds:.3g} frames a second through all of them; decoding, or waiting for it"
    )
    print(f"{decoding:.1%}, networks {networks:.0%}, host and the rest {1 - decoding - networks:.0%}")
    print(f"By dimension: {', '.join(f'{name} {part / seconds:.0%}' for name, part in found['seconds'].items())}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="*", metavar="VIDEO", help="mp4 files; default: the test clips")
    parser.add_argument("--large", type=int, metavar="FRAMES", help="also a clip of that many frames, 768x480")
    parser.add_argument("--dimension", action="append", choices=NETWORKS, help="default: all")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--without-amx", action="store_true", help="also ours on oneDNN's packed layers")
    parser.add_argument("--each", action="store_true", help="measure dimensions one by one that do the same")
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--grit-frames", type=int, default=2, help="of each video, in the official GRiT")
    parser.add_argument("--longest", type=int, default=10, help="word pieces at most in GRiT's texts; VBench: 40")
    parser.add_argument("--heat", type=float, default=1.0, help="added to GRiT's heat: more objects")
    parser.add_argument("--official-python", metavar="PATH")
    parser.add_argument("--dino-code", metavar="FOLDER")
    parser.add_argument("--prepare", metavar="MODULE", help="imported first by the official side")
    parser.add_argument("--flops", action="store_true", help="count operations instead, as vbench_flops.py does")
    parser.add_argument("--side", choices=["ours", "official", "set"], help=argparse.SUPPRESS)
    parser.add_argument("--weights", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        work(options)
        return
    sys.path.insert(0, str(ROOT))
    if options.flops:
        import vbench_flops

        wanted = {
            "--official-python": options.official_python,
            "--dino-code": options.dino_code,
            "--prepare": options.prepare,
        }
        vbench_flops.main([word for name, value in wanted.items() if value for word in (name, value)])
        return
    options.dimension = options.dimension or list(NETWORKS)
    # The official motion smoothness fails on two frames and on sides below 113 pixels.
    default = [] if options.large else [str(path) for path in sorted(CLIPS.glob("r[13467]_*.mp4"))]
    options.videos = options.videos or default
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        options.keep = options.keep.resolve()
    with tempfile.TemporaryDirectory() as folder:
        if options.large:
            options.videos = [*options.videos, make_large(Path(folder), options.large)]
        compare(options, Path(folder))


if __name__ == "__main__":
    main()
