"""Time our own code against the library that offers the same, and compare values and memory.

    python benchmarks/libraries.py [--part NAME ...] [--size WIDTHxHEIGHT] [--frames N] [--repeats N] [--threads N]

psnr, ssim, ms_ssim: torchmetrics. lpips: the package lpips, with random weights that both sides share. clip: the image
encoder of open_clip (ViT-B/32, random weights that both sides share). csv: pandas, writing a report's samples.csv.
Both sides alternate in one process on the same frames; each pair gives one ratio of processor seconds. Peak memory is
measured in one process per side, beyond the frames and the network. Linux only. A part is skipped with the reason if
its library isn't installed; docs/dependencies.md draws the conclusions.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import io
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.vbench_memory import forget_peak, resident  # noqa: E402
from nova_bench.config.catalog import SCORERS  # noqa: E402
from nova_bench.scorers.base import Sample, ScorerContext  # noqa: E402
from nova_bench.video import Clip  # noqa: E402

Side = Callable[[], np.ndarray]
Sides = tuple[Side, Side]
"""(the library's, ours): functions without arguments that return the numbers to compare."""


def frame_pairs(width: int, height: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Make a moving smooth image, and the same with noise, as two uint8 [T, H, W, 3]."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, height // 16 + 1, width // 16 + 1, generator=generator)
    picture = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)[0] * 255
    reference = torch.stack([picture.permute(1, 2, 0).roll(2 * index, dims=1) for index in range(count)])
    noise = torch.randn(reference.shape, generator=generator) * 8
    return (reference + noise).clamp(0, 255).byte(), reference.byte()


def clip_of(frames: torch.Tensor) -> Clip:
    """Frames as the scorers get them."""
    return Clip(frames, Fraction(8), "rgb24", len(frames), len(frames), 0, False, Path("made.mp4"))


def floats(frames: torch.Tensor) -> torch.Tensor:
    """uint8 [T, H, W, 3] -> float32 [T, 3, H, W] in 0-255, as the libraries expect them."""
    return frames.permute(0, 3, 1, 2).contiguous().float()


def fidelity(name: str, theirs: Callable, video: torch.Tensor, reference: torch.Tensor) -> Sides:
    """Pair a torchmetrics metric, frame by frame, with our scorer."""
    info = SCORERS.get(name)
    scorer = info.build(info.settings(), ScorerContext("cpu", Path))
    sample = Sample(clip_of(video), clip_of(reference))

    def library() -> np.ndarray:
        pairs = zip(floats(video).split(1), floats(reference).split(1), strict=True)
        return np.array([float(theirs(one, other, data_range=255.0)) for one, other in pairs])

    return library, lambda: np.array(scorer.score([sample])[0].details["per_frame"])


def psnr(video: torch.Tensor, reference: torch.Tensor) -> Sides:
    from torchmetrics.functional.image import peak_signal_noise_ratio

    return fidelity("psnr", peak_signal_noise_ratio, video, reference)


def ssim(video: torch.Tensor, reference: torch.Tensor) -> Sides:
    from torchmetrics.functional.image import structural_similarity_index_measure

    return fidelity("ssim", structural_similarity_index_measure, video, reference)


def ms_ssim(video: torch.Tensor, reference: torch.Tensor) -> Sides:
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    return fidelity("ms_ssim", multiscale_structural_similarity_index_measure, video, reference)


def lpips(video: torch.Tensor, reference: torch.Tensor) -> Sides:
    from lpips import LPIPS

    from tests.parity.fidelity.make_vectors import with_rule
    from tests.parity.fidelity.weights import official_files, scorer

    network = with_rule(LPIPS(net="alex", pnet_rand=True, verbose=False)).eval()
    with tempfile.TemporaryDirectory() as folder:
        ours = scorer("lpips", official_files("lpips", Path(folder)))
    sample = Sample(clip_of(video), clip_of(reference))

    def library() -> np.ndarray:
        pairs = zip(floats(video).split(1), floats(reference).split(1), strict=True)
        with torch.inference_mode():
            return np.array([network(one / 127.5 - 1, other / 127.5 - 1).item() for one, other in pairs])

    return library, lambda: np.array(ours.score([sample])[0].details["per_frame"])


def clip(video: torch.Tensor, reference: torch.Tensor) -> Sides:
    import open_clip

    from nova_bench.kernels.layers import speed_up
    from nova_bench.networks.clip import RESOLUTION, VIT_B_32, load_image_encoder

    torch.manual_seed(0)
    theirs = open_clip.create_model("ViT-B-32-quickgelu", load_weights=False).eval()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "clip.pt")
        torch.save(theirs.state_dict(), path)
        ours = speed_up(load_image_encoder(VIT_B_32, path, half=False), "cpu")
    images = torch.randn(len(video), 3, RESOLUTION, RESOLUTION, generator=torch.Generator().manual_seed(0))

    def encoded(encode: Callable[[torch.Tensor], torch.Tensor]) -> np.ndarray:
        with torch.inference_mode():
            return torch.nn.functional.normalize(encode(images), dim=-1).numpy()

    return lambda: encoded(theirs.encode_image), lambda: encoded(ours)


def samples_csv(video: torch.Tensor, reference: torch.Tensor) -> Sides:
    import pandas

    from nova_bench.report.tables import SAMPLE_COLUMNS

    rows = [
        (f"a prompt, number {index}", index % 5, "a;b", "psnr", "ok", index / 7, 1.0, "dB", "", f"{index}.mp4")
        for index in range(1000 * len(video))
    ]

    def library() -> np.ndarray:
        text = pandas.DataFrame.from_records(rows, columns=SAMPLE_COLUMNS).to_csv(index=False, lineterminator="\n")
        return np.frombuffer(text.encode(), np.uint8)

    def ours() -> np.ndarray:
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerows([SAMPLE_COLUMNS, *rows])
        return np.frombuffer(stream.getvalue().encode(), np.uint8)

    return library, ours


PARTS = {"psnr": psnr, "ssim": ssim, "ms_ssim": ms_ssim, "lpips": lpips, "clip": clip, "csv": samples_csv}


def define_torchvision_operators() -> None:
    """Define operators that PyPI's torchvision lacks with a CPU build of torch, where its C++ operators don't load.

    Without them torchmetrics, lpips and open_clip fail at import.
    """
    global _operators  # must outlive the imports
    if torch.version.cuda is None and importlib.util.find_spec("torchvision"):
        _operators = torch.library.Library("torchvision", "DEF")
        _operators.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _operators.define("qnms(Tensor dets, Tensor scores, Tensor iou_threshold) -> Tensor")


def seconds(side: Side) -> float:
    """Processor seconds of one call."""
    started = time.process_time()
    side()
    return time.process_time() - started


def added_memory(side: Side) -> float:
    """Peak memory in MiB that the first call adds."""
    forget_peak()
    before = resident("VmRSS")
    side()
    return resident("VmHWM") - before


def memory_of(part: str, options: argparse.Namespace) -> list[str]:
    """Peak memory in MiB that (the library, ours) add, each measured in a separate process."""
    words = ["--part", part, "--size", options.size, "--frames", options.frames, "--threads", options.threads]
    command = [sys.executable, __file__, *map(str, words), "--memory"]
    results = (subprocess.run([*command, str(side)], capture_output=True, text=True, check=True) for side in (0, 1))
    return [f"{float(result.stdout):.0f}" for result in results]


def compare(part: str, sides: Sides, options: argparse.Namespace) -> str:
    """Return a table row."""
    theirs, ours = (side() for side in sides)  # also warms both up
    difference = np.abs(theirs - ours).max() if theirs.shape == ours.shape else float("inf")
    ratios = sorted(seconds(sides[0]) / seconds(sides[1]) for _ in range(options.repeats))
    spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    return f"| {part} | {spread} | {options.repeats} | {difference:.1e} | {' / '.join(memory_of(part, options))} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", action="append", choices=PARTS, help="default: all")
    parser.add_argument("--size", default="768x480", help="default: 768x480")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--memory", type=int, choices=(0, 1), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    define_torchvision_operators()
    frames = frame_pairs(*(int(side) for side in options.size.split("x")), options.frames)
    if options.memory is not None:
        print(added_memory(PARTS[options.part[0]](*frames)[options.memory]))
        return
    print("| part | library / this, processor time | pairs | largest difference | library / this, MiB |")
    print("|---|---|---|---|---|", flush=True)
    for part in options.part or PARTS:
        try:
            sides = PARTS[part](*frames)
        except ImportError as error:
            print(f"skipped: {part}: {error}", flush=True)
        else:
            print(compare(part, sides, options), flush=True)


if __name__ == "__main__":
    main()
