"""Damage media files at random and read them: each must give frames or the reader's own error.

    python benchmarks/damaged_media.py [--files 20000] [--seed 0] [--processes 2] [--keep FOLDER]

Creates intact files of every format, then copies with flipped bits, cuts, swapped or repeated pieces and changed
lengths. Helper processes read them with 2 GiB of address space beyond their initial size. Prints the outcomes. Exit
code 1 if a file ended otherwise: with another exception, a crash or a hang. `--keep` keeps those files.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

SECONDS = 30.0
"""Seconds after which a file counts as a hang."""
GIBIBYTES = 2
VIDEOS = {
    "a.mp4": ("libx264", {}),
    "parts.mp4": ("libx264", {"movflags": "frag_keyframe+empty_moov"}),
    "b.mp4": ("mpeg4", {}),
    "a.mkv": ("ffv1", {}),
    "b.mkv": ("libx264", {}),
    "a.webm": ("libvpx-vp9", {}),
    "a.avi": ("mpeg4", {}),
    "b.avi": ("rawvideo", {}),
    "a.ts": ("mpeg2video", {}),
    "a.flv": ("flv", {}),
    "a.mov": ("mjpeg", {}),
    "a.ogv": ("libvpx", {}),
    "a.wmv": ("wmv2", {}),
    "a.y4m": ("wrapped_avframe", {}),
}
PIXELS = {"ffv1": "bgr0", "rawvideo": "bgr24", "mjpeg": "yuvj420p"}
ANIMATIONS = ("a.gif", "a.png", "a.webp", "a.avif", "a.tif", "a.mpo")
PICTURES = ("s.gif", "s.png", "s.webp", "s.avif", "s.tif", "s.jpg", "s.bmp")


def sound_files(folder: Path) -> list[Path]:
    """Create one small file of each kind."""
    import av
    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 256, (10, 9, 12, 3), dtype=np.uint8)
    frames = noise.repeat(6, axis=1).repeat(6, axis=2)
    for name, (codec, options) in VIDEOS.items():
        with av.open(str(folder / name), "w", options=options) as output:
            stream = output.add_stream(codec, rate=25)
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = PIXELS.get(codec, "yuv420p")
            for frame in frames:
                output.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            output.mux(stream.encode(None))
    first, *rest = [Image.fromarray(frame) for frame in frames[:6]]
    for name in ANIMATIONS:
        first.save(folder / name, save_all=True, append_images=rest, duration=40)
    for name in PICTURES:
        first.save(folder / name)
    return [folder / name for name in (*VIDEOS, *ANIMATIONS, *PICTURES)]


def damaged(data: bytes, random: random.Random) -> bytes:
    """Return a copy with one to four kinds of damage."""
    content = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 4))):
        random.choice(INJURIES)(content, random)
    return bytes(content) or b"\0"


def _flip(content: bytearray, random: random.Random) -> None:
    for _ in range(random.choice((1, 3, 30))):
        if content:
            content[_position(content, random)] ^= 1 << random.randrange(8)


def _cut(content: bytearray, random: random.Random) -> None:
    del content[random.randrange(len(content) + 1) :]


def _swap(content: bytearray, random: random.Random) -> None:
    """Swap two pieces: boxes, chunks or clusters if pieces begin at tags, arbitrary bytes otherwise."""
    starts = _tags(content) if random.random() < 0.7 else []
    if len(starts) < 3:
        starts = [random.randrange(len(content) + 1) for _ in range(3)]
    a, b, c = sorted(random.sample(starts, 3))
    content[a:c] = content[b:c] + content[a:b]


def _repeat(content: bytearray, random: random.Random) -> None:
    start = random.randrange(len(content) + 1)
    piece = content[start : start + random.choice((4, 64, 1000))]
    content[start:start] = piece * random.choice((1, 3))


def _number(content: bytearray, random: random.Random) -> None:
    """Replace a length, count or offset with an extreme value."""
    at = _position(content, random)
    value = random.choice((0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000))
    length = random.choice((1, 2, 4, 8))
    content[at : at + length] = (value & ((1 << 8 * length) - 1)).to_bytes(length, random.choice(("big", "little")))


def _blank(content: bytearray, random: random.Random) -> None:
    start = _position(content, random)
    length = min(random.choice((4, 60, 600)), len(content) - start)
    content[start : start + length] = random.choice((bytes(length), random.randbytes(length)))


INJURIES = (_flip, _flip, _cut, _swap, _repeat, _number, _number, _blank)


def _position(content: bytearray, random: random.Random) -> int:
    """Choose a position; half of them are in the first 400 bytes, where headers are."""
    most = len(content) if random.random() < 0.5 else min(len(content), 400)
    return random.randrange(most) if most else 0


def _tags(content: bytearray) -> list[int]:
    """Find the beginnings of MP4 and AVIF boxes, PNG, RIFF and AVI chunks, and Matroska clusters."""
    tags = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"mdat", b"moof", b"stsz", b"stco", b"stts", b"meta", b"iloc")
    chunks = (b"IHDR", b"IDAT", b"fcTL", b"fdAT", b"IEND", b"ANMF", b"VP8 ", b"LIST", b"idx1", b"00dc")
    found = []
    for tag, before in (
        *((t, 4) for t in tags),
        *((c, 4 if c.isalpha() else 0) for c in chunks),
        (b"\x1f\x43\xb6\x75", 0),
    ):
        at = content.find(tag)
        while at >= before:
            found.append(at - before)
            at = content.find(tag, at + 1)
    return found


def read_all(inbox, outbox) -> None:
    """In a helper process: read each incoming path and report the outcome."""
    from nova_bench.core.errors import MediaError
    from nova_bench.video import probe, read_clip

    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + GIBIBYTES * 2**30,) * 2)
    for path in iter(inbox.recv, None):
        try:
            for read in (probe, read_clip):
                try:
                    read(path)
                    ending = "frames"
                except MediaError:
                    ending = "error"
        except BaseException as error:
            ending = f"{type(error).__name__}: {error}"
        outbox.send(ending)


class Reader:
    """A helper process that is replaced when it dies or hangs."""

    def __init__(self) -> None:
        self.path: str | None = None
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._send, inbox = context.Pipe()
        outbox, self._receive = context.Pipe()
        self._process = context.Process(target=read_all, args=(inbox, outbox), daemon=True)
        self._process.start()
        inbox.close()
        outbox.close()

    def give(self, path: str) -> None:
        """Start reading a file."""
        self.path, self._since = path, time.monotonic()
        self._send.send(path)

    def ending(self) -> str | None:
        """The outcome for the file; None while it is being read."""
        if self._receive.poll(0.01):
            try:
                return self._receive.recv()
            except EOFError:
                self._process.join()
                code = self._process.exitcode
                self._start()
                return f"the process ended: exit code {code}"
        if time.monotonic() - self._since > SECONDS:
            self.close()
            self._start()
            return f"no end within {SECONDS:g} s"
        return None

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()


def endings(paths: Iterator[Path], processes: int) -> Iterator[tuple[str, str]]:
    """Yield (path, outcome) for each file, even if it kills or hangs the process that reads it."""
    readers = [Reader() for _ in range(processes)]
    try:
        idle, busy = list(readers), []
        while True:
            while idle and (path := next(paths, None)) is not None:
                busy.append(idle.pop())
                busy[-1].give(str(path))
            if not busy:
                return
            for reader in list(busy):
                if (ending := reader.ending()) is not None:
                    busy.remove(reader)
                    idle.append(reader)
                    yield reader.path, ending
    finally:
        for reader in readers:
            reader.close()


def run(files: int, seed: int, processes: int, keep: Path | None = None) -> Counter[str]:
    """Count the outcomes of ``files`` damaged files."""
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        whole = sound_files(Path(folder))

        def made() -> Iterator[Path]:
            for index in range(files):
                source = whole[index % len(whole)]
                path = Path(folder) / f"{seed}-{index}{source.suffix}"
                path.write_bytes(damaged(source.read_bytes(), random.Random(f"{seed} {index}")))
                yield path

        for path, ending in endings(made(), processes):
            counts[ending] += 1
            if ending not in ("frames", "error"):
                print(f"{Path(path).name}: {ending}", flush=True)
                if keep is not None:
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / Path(path).name).write_bytes(Path(path).read_bytes())
            Path(path).unlink()
            if sum(counts.values()) % 1000 == 0:
                print(dict(counts), flush=True)
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    started = time.monotonic()
    counts = run(options.files, options.seed, options.processes, options.keep)
    odd = {ending: count for ending, count in counts.items() if ending not in ("frames", "error")}
    print(
        f"{options.files} files: {counts['frames']} gave frames, {counts['error']} the reader's error, "
        f"{sum(odd.values())} neither"
    )
    print(f"{time.monotonic() - started:.0f} s")
    return 1 if odd else 0


if __name__ == "__main__":
    sys.exit(main())
