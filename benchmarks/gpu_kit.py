"""Gather what `benchmarks/gpu.py` needs on a machine without a network: python benchmarks/gpu_kit.py FOLDER

Wheels that such a machine lacks, decoded clips (PyAV isn't there either), word lists, and the scores that this
machine's CPU gives with the same weights. `make gpu-kit` runs this and checks that all that travels is small enough.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
MOST_BYTES = 60 * 2**20
"""Of tracked files and kit together."""
PYTHON, PLATFORM = "3.12", "manylinux_2_17_x86_64"
PURE = ("pydantic", "annotated-types", "typing-inspection", "diffusers", "importlib_metadata", "zipp")
COMPILED = ("pydantic-core",)
CLIPS = ("r8_small_120x112_8fps_4f", "r5_short_160x136_10fps_2f", "r2_bikes_320x136_24fps_24f")
"""The last one is also the source of a large clip."""


def download(folder: Path) -> None:
    """The wheels, in the versions that are installed here where one needs the other exactly."""
    folder.mkdir(parents=True, exist_ok=True)
    exact = {"pydantic", "pydantic-core", "diffusers"}
    wanted = [f"{name}=={version(name)}" if name in exact else name for name in (*PURE, *COMPILED)]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--python-version", PYTHON, "--platform", PLATFORM, "--dest", str(folder)]
    subprocess.run([*command, *wanted], check=True)


def write_clips(folder: Path) -> None:
    """The clips' frames as arrays, and their frame rates."""
    import numpy as np

    from nova_bench.video import read_clip

    clips = {name: read_clip(ROOT / "tests" / "data" / "vbench_clips" / f"{name}.mp4") for name in CLIPS}
    np.savez_compressed(folder / "clips.npz", **{name: clip.frames.numpy() for name, clip in clips.items()})
    about = {name: {"fps": str(clip.fps)} for name, clip in clips.items()}
    (folder / "clips.json").write_text(json.dumps(about, indent=1), encoding="utf-8")


def copy_lists(folder: Path) -> None:
    """The word lists of two scorers, which come from VBench's package."""
    from gpu_rows import LISTS
    from sides import set_imports

    from nova_bench.assets import asset_path

    places = sys.path.copy()
    set_imports(official=False)  # this folder has a `vbench` of its own
    for name in LISTS:
        source = asset_path(name)
        shutil.copy(source, folder / f"{name}{source.suffix}")
    sys.path[:] = places


def write_scores(folder: Path, small: bool) -> None:
    """Each dimension's scores on this CPU, and how long each took."""
    import gpu_rows as rows

    bench = rows.Bench("cpu", folder, small, math.inf)
    try:
        rows.make_weights(bench.weights, small)
        scores = {}
        for name in rows.dimensions(small):
            began = time.perf_counter()
            scores[name] = rows.scores(bench, name)
            print(f"{name}: {time.perf_counter() - began:.0f} s")
        (folder / "scores.json").write_text(json.dumps(scores, indent=1), encoding="utf-8")
    finally:
        shutil.rmtree(bench.weights)


def size() -> int:
    """Bytes of all tracked files."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=True).stdout
    paths = (ROOT / name.decode() for name in listed.split(b"\0") if name)
    return sum(path.stat().st_size for path in paths if path.is_file())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--without-wheels", action="store_true", help="for a rehearsal here")
    parser.add_argument("--small", action="store_true", help="scores of the dimensions with small networks only")
    options = parser.parse_args()
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    if not options.without_wheels:
        download(options.folder / "wheels")
    write_clips(options.folder)
    if not options.small:
        copy_lists(options.folder)
    write_scores(options.folder, options.small)
    kit = sum(path.stat().st_size for path in options.folder.rglob("*") if path.is_file())
    tracked = size()
    print(f"kit {kit / 2**20:.1f} MiB, tracked files {tracked / 2**20:.1f} MiB, {MOST_BYTES / 2**20:.0f} MiB allowed")
    return int(kit + tracked > MOST_BYTES)


if __name__ == "__main__":
    sys.exit(main())
