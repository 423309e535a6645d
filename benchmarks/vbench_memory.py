"""Measure peak memory of VBench's quality dimensions against the length and size of a video.

    python benchmarks/vbench_memory.py [--dimension NAME ...] [--frames N ...] [--size WIDTHxHEIGHT] [--correlation]

Each line is a separate process: a scorer with full-size weights from the rule of tests/parity/vbench scores one clip.
It shows the peak resident memory during scoring beyond the memory with network and decoded frames in place. Decoded
uint8 frames, which always grow with length, have their own column. `decoding` is the same for reading such a file.
`--correlation` compares time instead: processor seconds of the motion scorers with the correlation of all pairs kept,
and computed at lookup. Linux only.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

NETWORKS = {
    "temporal_flickering": {},
    "background_consistency": {"clip-vit-b-32": "clip_vitb32"},
    "subject_consistency": {"dino-vitb16": "dino_vitb16"},
    "aesthetic_quality": {"clip-vit-l-14": "clip_vitl14", "aesthetic-linear": "aesthetic_linear"},
    "imaging_quality": {"musiq-spaq": "musiq_spaq"},
    "motion_smoothness": {"amt-s": "amt_s"},
    "dynamic_degree": {"raft-things": "raft"},
    "static_filter": {"raft-things": "raft"},
}
DECODING = "decoding"


def resident(key: str) -> float:
    """VmRSS or VmHWM of this process in MiB."""
    return int(re.search(rf"{key}:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def moving_frames(count: int, width: int, height: int):
    """uint8 [T, H, W, 3]: a fixed noise image that moves by two pixels per frame."""
    import torch

    picture = torch.randint(0, 256, (height, width, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    frames = torch.empty(count, height, width, 3, dtype=torch.uint8)
    for index in range(count):
        frames[index] = picture.roll(2 * index, dims=1)
    return frames


def prepared(dimension: str, count: int, width: int, height: int):
    """Make a scorer with the rule's weights, and a sample of ``count`` frames."""
    from fractions import Fraction

    import torch

    from nova_bench.config.catalog import SCORERS
    from nova_bench.scorers.base import Sample, ScorerContext
    from nova_bench.video import Clip
    from tests.parity.vbench.rule import make_weights

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    info = SCORERS.get(dimension)
    with tempfile.TemporaryDirectory() as folder:
        for network in NETWORKS[dimension].values():
            state = make_weights(network)
            torch.save({"state_dict": state} if network == "amt_s" else state, Path(folder, f"{network}.pth"))
            del state
        # All pairs: an early exit would hide how memory grows with them.
        settings = {"early_exit": False} if "raft-things" in info.assets else {}
        context = ScorerContext("cpu", lambda name: Path(folder, f"{NETWORKS[dimension][name]}.pth"))
        scorer = info.build(info.settings(**settings), context)
    frames = moving_frames(count, width, height)
    # At 8 frames per second dynamic degree uses every frame.
    return scorer, Sample(Clip(frames, Fraction(8), "rgb24", count, count, 0, False, Path("made.mp4")))


def score(dimension: str, count: int, width: int, height: int) -> float:
    """Peak memory in MiB that scoring adds."""
    scorer, sample = prepared(dimension, count, width, height)
    forget_peak()
    before = resident("VmRSS")
    scorer.score([sample])
    return resident("VmHWM") - before


def compare_ways(dimension: str, count: int, width: int, height: int) -> str:
    """Return a table row: processor seconds of both methods, alternating, best of three."""
    from nova_bench.networks import amt, raft
    from nova_bench.networks.correlation import AllPairs, Windowed

    scorer, sample = prepared(dimension, count, width, height)
    seconds = {AllPairs: [], Windowed: []}
    for way in [AllPairs, Windowed] * 3:
        amt.correlation = raft.correlation = lambda first, second, lookups, way=way: way(first, second)
        started = time.process_time()
        scorer.score([sample])
        seconds[way].append(time.process_time() - started)
    kept, windowed = (min(values) for values in seconds.values())
    return f"| {dimension} | {count} | {kept:.2f} | {windowed:.2f} | {windowed / kept:.2f} |"


def decode(count: int, width: int, height: int) -> float:
    """Peak memory in MiB that reading a file of these frames adds."""
    from nova_bench.video import read_clip, write_mp4

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "clip.mp4")
        write_mp4(path, moving_frames(count, width, height), 8)
        read_clip(path, 1)
        forget_peak()
        before = resident("VmRSS")
        read_clip(path)
        return resident("VmHWM") - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dimension", action="append", choices=[*NETWORKS, DECODING], help="default: all")
    parser.add_argument("--frames", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--size", default="384x256", help="default: 384x256")
    parser.add_argument("--correlation", action="store_true", help="compare the time of both correlation methods")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split("x"))
    names = options.dimension or [DECODING, *NETWORKS]
    if options.one:
        [name], [count] = names, options.frames
        print(decode(count, width, height) if name == DECODING else score(name, count, width, height))
        return
    if options.correlation:
        print("| dimension | frames | all pairs, s | windowed, s | ratio |\n|---|---|---|---|---|", flush=True)
        for name in options.dimension or ["motion_smoothness", "dynamic_degree"]:
            for count in options.frames:
                print(compare_ways(name, count, width, height), flush=True)
        return
    print("| dimension | frames | decoded frames, MiB | added at the peak, MiB |\n|---|---|---|---|", flush=True)
    for name in names:
        for count in options.frames:
            command = [sys.executable, __file__, "--one", "--dimension", name, "--frames", str(count)]
            command += ["--size", options.size]
            result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
            added = f"{float(result.stdout):.0f}" if result.returncode == 0 else f"ended with {result.returncode}"
            print(f"| {name} | {count} | {count * width * height * 3 / 2**20:.0f} | {added} |", flush=True)
            if result.returncode:
                print(result.stderr, file=sys.stderr)


if __name__ == "__main__":
    main()
