"""Measure what sharing one decode between scorers saves: decodes and CPU seconds, against one decode per scorer.

    python benchmarks/decode_once.py [VIDEO] [--reference VIDEO] [--scorer NAME ...] [--repeats N] [--pairs N]

Also measures the cost of decoding in a separate process, within limits and into reused shared memory: it alternates
with decoding in this process and reports the median of the ratios. Files are decoded one by one and not scored.

Without VIDEO, the video is a moving texture of 33 frames, 480x768, encoded as NOVA's sampler exports videos; its
reference is the frames before encoding. Scorers that need weights or an absent reference are skipped. CPU seconds count
all threads, so other load on the machine matters little.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from nova_bench.config.catalog import SCORERS
from nova_bench.core.errors import MissingAsset, UserError
from nova_bench.scorers.base import Sample, Scorer, ScorerContext
from nova_bench.video import Clip, read_clip, write_lossless, write_mp4
from nova_bench.video.decoder import Decoder


class CountingReader:
    """Decodes files and counts decodes and their time."""

    def __init__(self) -> None:
        self.decodes = 0
        self.seconds = 0.0

    def read(self, path: Path) -> Clip:
        start = time.process_time()
        clip = read_clip(path)
        self.seconds += time.process_time() - start
        self.decodes += 1
        return clip

    def sample(self, video: Path, reference: Path | None) -> Sample:
        return Sample(self.read(video), self.read(reference) if reference else None)


WEIGHT_FREE = [name for name, info in SCORERS.own().items() if not info.assets and not info.needs_prompt]


def shared(scorers: dict[str, Scorer], reader: CountingReader, video: Path, reference: Path | None) -> None:
    """Decode each file once for all scorers."""
    needed = any(SCORERS.get(name).needs_reference for name in scorers)
    sample = reader.sample(video, reference if needed else None)
    for scorer in scorers.values():
        scorer.score([sample])


def separate(scorers: dict[str, Scorer], reader: CountingReader, video: Path, reference: Path | None) -> None:
    """Let every scorer decode what it needs, as separate programs do."""
    for name, scorer in scorers.items():
        scorer.score([reader.sample(video, reference if SCORERS.get(name).needs_reference else None)])


def measure(way: Callable[..., None], repeats: int, *arguments: object) -> tuple[int, float, float]:
    """Return decodes per run, and median CPU seconds for decoding and in total."""
    scorers, *files = arguments
    decoding, total, decodes = [], [], 0
    for _ in range(repeats):
        reader, start = CountingReader(), time.process_time()
        way(scorers, reader, *files)
        total.append(time.process_time() - start)
        decoding.append(reader.seconds)
        decodes = reader.decodes
    return decodes, statistics.median(decoding), statistics.median(total)


def example(folder: Path) -> tuple[Path, Path]:
    """Write a video as NOVA's sampler exports it, and the same frames before encoding."""
    import cv2
    import numpy as np

    noise = np.random.default_rng(0).integers(0, 256, (480, 768 + 3 * 33, 3), dtype=np.uint8)
    texture = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)
    frames = np.stack([texture[:, 3 * i : 3 * i + 768] for i in range(33)])
    write_mp4(folder / "video.mp4", frames)
    write_lossless(folder / "reference.mkv", frames)
    return folder / "video.mp4", folder / "reference.mkv"


def in_this_process(videos: list[Path]) -> int:
    """Decode the videos one by one; return the number of frames."""
    return sum(read_clip(video).frame_count for video in videos)


def in_its_own(decoder: Decoder, videos: list[Path]) -> int:
    """Decode as a run does, two files ahead."""
    for video in videos[:2]:
        decoder.put(video)
    frames = 0
    for index in range(len(videos)):
        clip = decoder.get()
        if index + 2 < len(videos):
            decoder.put(videos[index + 2])
        frames += clip.frame_count
        del clip
    return frames


def ratios(video: Path, pairs: int) -> tuple[list[float], list[float]]:
    """Decoder process / this process for each pair: wall time, and processor time of all threads."""
    decoder, videos = Decoder(), [video] * 8

    def timed(way: Callable[[], int]) -> tuple[float, float]:
        wall, processor = time.perf_counter(), time.process_time() + decoder.processor_seconds()
        way()
        return (
            time.perf_counter() - wall,
            time.process_time() + decoder.processor_seconds() - processor,
        )

    ways = (lambda: in_this_process(videos), lambda: in_its_own(decoder, videos))
    for way in ways:
        way()  # imports and first use of memory
    wall, processor = [], []
    for turn in range(pairs):
        order = (0, 1) if turn % 2 else (1, 0)
        took = {index: timed(ways[index]) for index in order}
        wall.append(took[1][0] / took[0][0])
        processor.append(took[1][1] / took[0][1])
    decoder.close()
    return wall, processor


def no_asset(name: str) -> Path:
    raise MissingAsset(f"{name}: this benchmark uses scorers without weights only")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path, nargs="?")
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--scorer", action="append", metavar="NAME", help="default: all without weights")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--pairs", type=int, default=15, help="pairs in the comparison with a decoder process")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        video, reference = (options.video, options.reference) if options.video else example(Path(folder))
        try:
            infos = [SCORERS.get(name) for name in options.scorer or WEIGHT_FREE]
            infos = [info for info in infos if not info.assets and (reference or not info.needs_reference)]
            scorers = {info.name: info.build(info.settings(), ScorerContext("cpu", no_asset)) for info in infos}
            shared(scorers, CountingReader(), video, reference)  # imports and caches
            print("| scorers | way | decodes | decoding, CPU s | total, CPU s |\n|---|---|---|---|---|")
            for names in [*([name] for name in scorers), list(scorers)]:
                group = {name: scorers[name] for name in names}
                totals = []
                for way in (shared, separate) if len(group) > 1 else (shared,):
                    decodes, decoding, total = measure(way, options.repeats, group, video, reference)
                    totals.append(total)
                    label = ", ".join(names) if len(names) == 1 else f"all {len(names)}"
                    print(f"| {label} | {way.__name__} | {decodes} | {decoding:.3f} | {total:.3f} |")
            if len(totals) == 2:
                print(f"\nseparate / shared: {totals[1] / totals[0]:.2f} of the CPU time")
            wall, processor = ratios(video, options.pairs)
            print(f"decoder process / this process, {options.pairs} pairs, median (lowest to highest):")
            for name, found in (("wall time", wall), ("CPU time", processor)):
                print(f"  {name}: {statistics.median(found):.3f} ({min(found):.3f} to {max(found):.3f})")
        except UserError as error:
            parser.error(str(error))


if __name__ == "__main__":
    main()
