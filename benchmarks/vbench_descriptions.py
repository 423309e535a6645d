"""Time GRiT and Tag2Text, which write VBench's descriptions, against the official code: same weights, frames, machine.

    python benchmarks/vbench_descriptions.py --official-python PATH [--prepare MODULE] [--network grit|tag2text]
                                             [--tags FILE] [--frames N] [--size HEIGHTxWIDTH] [--pairs N] [--threads N]

Full-size weights follow the rule of tests/parity/vbench, so times mean something and descriptions don't. Each run is a
process of its own; both sides alternate. Loading is excluded, and so is decoding. GRiT is measured with objects in the
frames and without, Tag2Text on one video. Texts of these weights don't end, so GRiT's are cut off on both sides. The
official side runs its own functions: GRiT both text passes and the mask head, as it always does.

PATH is a Python for the official side: VBench at 45e79ec, detectron2 at 02b5c4e2 (its Python files are enough),
transformers 4.33.2, timm and numpy below 2, all found through PYTHONPATH. MODULE is imported there first: it registers
torchvision's operators if they are not compiled for that torch.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import vbench_official
import vbench_ours
from sides import run_side, set_imports
from vbench_inputs import CLIPS, ROOT, VOCABULARY, make_described

CLIP = CLIPS / "r6_bunny_640x360_20fps_9f.mp4"
# what is measured: the network, and how its heat's bias and that of the end of texts are shifted
CASES = {
    "GRiT, objects": ("grit", 2.0, 0.0),
    "GRiT, no objects": ("grit", -30.0, 0.0),
    "Tag2Text": ("tag2text", 0.0, 0.0),
}


def make_frames(path: Path, count: int, size: tuple[int, int]) -> None:
    """Write uint8 frames [count, height, width, 3]."""
    import cv2
    import numpy as np

    from nova_bench.video import read_clip

    frames = read_clip(CLIP).frames.numpy()
    np.save(path, np.stack([cv2.resize(frames[index % len(frames)], size[::-1]) for index in range(count)]))


def ours(network: str, weights: Path, folder: Path, longest: int) -> Callable[[Any], dict[str, Any]]:
    """Return what looks at frames with our network."""
    import torch

    if network == "grit":
        from nova_bench.scorers.base import ScorerContext
        from nova_bench.scorers.vbench.color import ColorSettings
        from nova_bench.scorers.vbench.detection import Detector

        vbench_ours.shorten_texts(longest)
        files = {"grit-b": weights, "bert-vocab": folder / "vocab.txt"}
        detector = Detector(ColorSettings(), ScorerContext("cpu", files.__getitem__), captions=True)

        def look(frames: Any) -> dict[str, Any]:
            seen = detector._look(torch.from_numpy(frames))
            return {"boxes": [len(found) for found in seen], "text": [[one.caption for one in found] for found in seen]}

        return look
    from nova_bench.networks.frames import tag2text_input, to_float
    from nova_bench.networks.tag2text.captioner import Captioner

    captioner = Captioner(weights, folder / "tags.py", folder / "vocab.txt", "cpu")

    def describe(frames: Any) -> dict[str, Any]:
        chosen = frames[: -(-len(frames) // 3)]  # as the scorer: officially three captions describe one frame
        images = tag2text_input(to_float(torch.from_numpy(chosen), "cpu"))
        captions = [described.caption for described in captioner.describe(list(images.unbind()))]
        return {"text": [captions[number // 3] for number in range(len(frames))]}

    return describe


def official(
    network: str, weights: Path, folder: Path, longest: int, prepare: str | None
) -> Callable[[Any], dict[str, Any]]:
    """Return what looks at frames with the official network."""
    vbench_official.prepare(folder, prepare)
    import torch

    if network == "grit":
        model = vbench_official.load_grit(weights, torch.device("cpu"), longest, captions=True)

        def look(frames: Any) -> dict[str, Any]:
            seen = [model.run_caption_tensor(frame)[0] for frame in frames]
            return {"boxes": [len(found) for found in seen], "text": [[one[0] for one in found] for found in seen]}

        return look
    captioner = vbench_official.make_tag2text(folder / "vocab.txt", str(weights))

    def describe(frames: Any) -> dict[str, Any]:
        mean, deviation = (
            torch.tensor(values).view(3, 1, 1) for values in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
        )
        images = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
        return {"text": captioner.generate((images - mean) / deviation)}

    return describe


def work(options: argparse.Namespace) -> None:
    """Run one side once; print its seconds and results as JSON."""
    set_imports(official=options.side == "official")
    import numpy as np
    import torch

    torch.set_num_threads(options.threads)
    folder, network = Path(options.folder), options.network[0]
    weights = folder / f"{network}.pth"
    if options.side == "ours":
        look = ours(network, weights, folder, options.longest)
    else:
        look = official(network, weights, folder, options.longest, options.prepare)
    frames = np.load(folder / "frames.npy")
    started, cpu = time.perf_counter(), time.process_time()
    with torch.inference_mode():
        found = look(frames)
    print(json.dumps({"wall": time.perf_counter() - started, "cpu": time.process_time() - cpu, **found}))


def measure(side: str, network: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run one side in a process of its own."""
    python = sys.executable if side == "ours" else options.official_python
    arguments = ["--side", side, "--network", network, "--folder", folder]
    arguments += ["--longest", options.longest, "--threads", options.threads]
    arguments += ["--prepare", options.prepare] if options.prepare else []
    return run_side(python, __file__, arguments, options.threads, side == "official", {})


def compare(case: str, options: argparse.Namespace, folder: Path) -> str:
    """Measure one row of the table."""
    network, heat, end = CASES[case]
    make_described(folder, network, heat, end)
    count, size = (16, (384, 384)) if network == "tag2text" else (options.frames, options.size)
    make_frames(folder / "frames.npy", count, size)
    unit = 1 if network == "tag2text" else count  # seconds per video, or per frame
    seconds: dict[str, list[float]] = {"official": [], "ours": []}
    found: dict[str, Any] = {}
    for _ in range(options.pairs):
        for side in seconds if options.official_python else ("ours",):
            found[side] = measure(side, network, options, folder)
            seconds[side].append(found[side]["cpu"] / unit)
    mine = found["ours"]
    boxes = sum(mine["boxes"]) / count if "boxes" in mine else None
    texts = [len(text.split()) for text in flat(mine["text"])]
    what = f"{boxes:g} boxes a frame, " if boxes is not None else ""
    note = f"{what}texts of up to {max(texts, default=0)} words"
    if not options.official_python:
        return f"| {case} | {note} | - | {median(seconds['ours']):.1f} | - | - |"
    ratios = [a / b for a, b in zip(seconds["official"], seconds["ours"], strict=True)]
    pairs = list(zip(flat(found["official"]["text"]), flat(mine["text"]), strict=False))
    same = f"{sum(a == b for a, b in pairs)} of {len(pairs)} equal"
    times = f"{median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"
    return f"| {case} | {note} | {median(seconds['official']):.1f} | {median(seconds['ours']):.1f} | {times} | {same} |"


def flat(texts: list[Any]) -> list[str]:
    """A text per image, or several per image, as one list."""
    return [text for one in texts for text in (one if isinstance(one, list) else [one])]


def size(text: str) -> tuple[int, int]:
    """HEIGHTxWIDTH."""
    height, width = (int(side) for side in text.split("x"))
    return height, width


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--official-python", metavar="PATH")
    parser.add_argument("--prepare", metavar="MODULE")
    parser.add_argument("--network", action="append", choices=["grit", "tag2text"], help="default: both")
    parser.add_argument("--frames", type=int, default=2, help="GRiT's")
    parser.add_argument("--longest", type=int, default=10, help="word pieces at most in GRiT's texts; VBench: 40")
    parser.add_argument("--size", type=size, default=(480, 768), help="of GRiT's frames")
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tags", metavar="FILE", help="Tag2Text's list: VBench's third_party/tag2Text/tag_class.py")
    parser.add_argument("--side", choices=["ours", "official"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        work(options)
        return
    sys.path.insert(0, str(ROOT))
    wanted = options.network or (["grit", "tag2text"] if options.tags else ["grit"])
    if "tag2text" in wanted and not options.tags:
        parser.error("Tag2Text needs its list: --tags FILE")
    print(f"CPU seconds, {options.threads} threads: GRiT per frame, Tag2Text per video")
    print("| what | | official | ours | times | texts |\n|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "vocab.txt").write_bytes(gzip.decompress(VOCABULARY.read_bytes()))
        if options.tags:
            (folder / "tags.py").write_bytes(Path(options.tags).read_bytes())
        for case, (network, *_) in CASES.items():
            if network in wanted:
                print(compare(case, options, folder), flush=True)


if __name__ == "__main__":
    main()
