"""Measure the accuracy of the shapes world's judge on videos with exactly known content.

    python benchmarks/shapes_judge.py [--videos N] [--condition NAME ...]

Renders N videos of the splits "val" and "test", degrades them, and lets the judge check every statement of their
fullest caption. Prints the share of statements found right per property and condition; "all" is the share of videos
without any error. Since a judge that always says yes would look perfect, one statement of each caption is then
falsified: "false" is how often the judge finds that property, and no other, wrong (a claimed object that is absent has
other faults as well).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import cv2
import numpy as np

from nova_bench.shapes import TEMPLATES, ShapesWorld
from nova_bench.shapes.captions import Claims, claims
from nova_bench.shapes.falsehoods import falsified
from nova_bench.shapes.judge import checks, see

FULL = TEMPLATES[-1]
PROPERTIES = ("count", "shape", "color", "size", "motion", "speed", "relation", "background")


def blur(sigma: float) -> Callable[[np.ndarray, int], np.ndarray]:
    """Blur every frame with a Gaussian."""

    def apply(frames: np.ndarray, index: int) -> np.ndarray:
        return np.stack([cv2.GaussianBlur(frame, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE) for frame in frames])

    return apply


def noise(deviation: float) -> Callable[[np.ndarray, int], np.ndarray]:
    """Add independent noise to every channel of every pixel."""

    def apply(frames: np.ndarray, index: int) -> np.ndarray:
        drawn = np.random.default_rng(index).normal(0, deviation, frames.shape)
        return np.clip(frames + drawn, 0, 255).astype(np.uint8)

    return apply


def h264(crf: int) -> Callable[[np.ndarray, int], np.ndarray]:
    """Encode and decode an MP4 file as the harness writes it."""

    def apply(frames: np.ndarray, index: int) -> np.ndarray:
        from nova_bench.video import read_clip, write_mp4

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "clip.mp4"
            write_mp4(path, frames, crf=crf)
            return read_clip(path).frames.numpy()

    return apply


def shifted(levels: float) -> Callable[[np.ndarray, int], np.ndarray]:
    """Shift every channel by a constant of up to ``levels``, new for each video, and change contrast by a tenth."""

    def apply(frames: np.ndarray, index: int) -> np.ndarray:
        draw = np.random.default_rng(index)
        gain, offset = draw.uniform(0.9, 1.1), draw.uniform(-levels, levels, 3)
        return np.clip((frames - 128.0) * gain + 128 + offset, 0, 255).astype(np.uint8)

    return apply


def wobble(pixels: float) -> Callable[[np.ndarray, int], np.ndarray]:
    """Displace pixels smoothly at random: soft, bent outlines that change per frame, as small models draw."""

    def apply(frames: np.ndarray, index: int) -> np.ndarray:
        draw = np.random.default_rng(index)
        side = frames.shape[1]
        y, x = np.mgrid[:side, :side].astype(np.float32)
        bent = []
        for frame in frames:
            field = cv2.resize(draw.normal(0, pixels, (8, 8, 2)).astype(np.float32), (side, side), interpolation=3)
            bent.append(cv2.remap(frame, x + field[..., 0], y + field[..., 1], 1, borderMode=cv2.BORDER_REPLICATE))
        return blur(1.0)(np.stack(bent), index)

    return apply


CONDITIONS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "clean": lambda frames, index: frames,
    "blur 1 px": blur(1.0),
    "blur 2 px": blur(2.0),
    "blur 2.5 px": blur(2.5),
    "noise 10": noise(10),
    "noise 25": noise(25),
    "h264 crf 25": h264(25),
    "h264 crf 35": h264(35),
    "colours off by 20": shifted(20),
    "wobble 1 px, blur 1 px": wobble(1.0),
    "wobble 2 px, blur 1 px": wobble(2.0),
    "all at once": lambda frames, index: h264(25)(
        noise(5)(shifted(20)(wobble(1.5)(frames, index), index), index), index
    ),
}


def one_false(said: Claims, index: int) -> tuple[Claims, str]:
    """Falsify one of the claims; return all claims and the name of that property."""
    random = Random(index)
    name = random.choice(["shape", "color", "size", "motion", "background", "relation" if said.relation else "count"])
    lie = falsified(said, name, random)
    assert lie is not None, "a full caption states all of these"
    return lie, name


def measure(name: str, videos: int, show: bool) -> tuple[Counter, Counter, float]:
    """Count right and stated properties, and measure seconds per video."""
    right, stated, seconds = Counter(), Counter(), 0.0
    for split in ("val", "test"):
        world = ShapesWorld(split, seed=2024)
        for index in range(videos):
            clip = world[index]
            said = claims(clip.scene, FULL)
            frames = CONDITIONS[name](clip.frames, index)
            start = time.process_time()
            seen = see(frames)
            found = checks(said, seen)
            seconds += time.process_time() - start
            lie, lied = one_false(said, index)
            faults = {key for key, value in checks(lie, seen).items() if not value} - {"speed"}
            for key, value in [
                *found.items(),
                ("all", all(found.values())),
                ("false", lied in faults and (lied == "count" or len(faults) == 1)),
            ]:
                right[key] += bool(value)
                stated[key] += 1
            if show and not all(found.values()):
                wrong = [key for key, value in found.items() if not value]
                things = [(thing.shape, thing.color, thing.size, thing.motion) for thing in seen.things]
                print(f"{name}, {split} {index}: {wrong}: {clip.dense_caption!r}: {things}")
            if show and lied not in faults:
                print(f"{name}, {split} {index}: {lied} was falsified, {faults} found: {lie}")
    return right, stated, seconds / stated["all"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=500, help="videos of each split")
    parser.add_argument("--condition", action="append", choices=list(CONDITIONS), metavar="NAME")
    parser.add_argument("--show", action="store_true", help="print every error")
    options = parser.parse_args()
    columns = (*PROPERTIES, "all", "false")
    print(f"| {2 * options.videos} videos | {' | '.join(columns)} | ms |\n|{'---|' * (len(columns) + 2)}")
    for name in options.condition or CONDITIONS:
        right, stated, seconds = measure(name, options.videos, options.show)
        shares = [f"{100 * right[column] / stated[column]:.1f}" if stated[column] else "" for column in columns]
        print(f"| {name} | {' | '.join(shares)} | {1000 * seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
