"""Time VBench's quality dimensions: our scorers against the official code, same clips, weights and machine.

    python benchmarks/vbench.py [VIDEO ...] [--large FRAMES] [--dimension NAME ...] [--threads N]
                                [--device cpu|cuda] [--official-python PATH --dino-code FOLDER]

Weights follow the rule of tests/parity/vbench (full size, so as slow as the official ones): times and differences are
shown, never scores. Each side of each dimension runs in its own process; loading is excluded, decoding included. Then
comes the set as users run it: ours in one process that decodes each video once, ahead of the networks, the official
one dimension by dimension. The last row repeats dynamic degree with weights that give larger flows, so that clips count
as moving and an early exit can take effect. CPU seconds count all threads; if other work shares the machine, compare
them with one thread, since waiting threads count too.

The official side needs a Python with vbench 0.1.5, decord, torchvision, omegaconf, easydict, openai-clip, pyiqa 0.1.10,
ftfy, setuptools<70 (all with --no-deps), a torch, and a checkout of github.com/facebookresearch/dino.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CLIPS = ROOT / "tests" / "data" / "vbench_clips"
# dimension: names of its networks in the rule
NETWORKS = {
    "subject_consistency": ("dino_vitb16",),
    "background_consistency": ("clip_vitb32",),
    "temporal_flickering": (),
    "motion_smoothness": ("amt_s",),
    "dynamic_degree": ("raft",),
    "aesthetic_quality": ("clip_vitl14", "aesthetic_linear"),
    "imaging_quality": ("musiq_spaq",),
}
ASSETS = {
    "dino-vitb16": "dino_vitb16",
    "clip-vit-b-32": "clip_vitb32",
    "amt-s": "amt_s",
    "raft-things": "raft",
    "clip-vit-l-14": "clip_vitl14",
    "aesthetic-linear": "sa_0_4_vit_l_14_linear",
    "musiq-spaq": "musiq_spaq",
}
MOVING = "dynamic_degree"
FLOW = "update_block.flow_head.conv2."  # its output is added up to the flow
MORE_FLOW = 3.0
OFFICIAL_IMPORTS = ("vbench", "decord", "torchvision", "omegaconf", "easydict", "clip", "pyiqa", "cv2", "scipy")


def make_weights(folder: Path, dimensions: Sequence[str]) -> None:
    """Write weight files for both sides, laid out and named as the official code expects."""
    import torch

    sys.path.insert(0, str(ROOT))
    from tests.parity.vbench import rule

    for network in {network for dimension in dimensions for network in NETWORKS[dimension]}:
        state = rule.make_weights(network)
        name = "sa_0_4_vit_l_14_linear" if network == "aesthetic_linear" else network
        torch.save({"state_dict": state} if network == "amt_s" else state, folder / f"{name}.pth")


def enlarge_flow(folder: Path) -> None:
    """Multiply what RAFT adds to its flow at each iteration."""
    import torch

    state = torch.load(folder / "raft.pth")
    larger = {key: value * MORE_FLOW if key.startswith(FLOW) else value for key, value in state.items()}
    torch.save(larger, folder / "raft.pth")


def run_ours(dimension: str, videos: list[str], weights: Path, device: str) -> Callable[[], list[float | None]]:
    """Return a function that scores the videos with our scorer, whose network is loaded."""
    sys.path.insert(0, str(ROOT))
    from nova_bench.config.catalog import SCORERS
    from nova_bench.scorers.base import Sample, ScorerContext
    from nova_bench.video import decode_ahead, read_clip

    read_clip(videos[0], 1)  # the decoder's import is not part of the work
    info = SCORERS.get(dimension)
    scorer = info.build(info.settings(), ScorerContext(device, lambda name: weights / f"{ASSETS[name]}.pth"))
    scale = 100.0 if dimension == "imaging_quality" else 1.0

    def run() -> list[float | None]:
        samples = [Sample(clip) for _, clip in decode_ahead(videos)]
        return [None if score.value is None else score.value * scale for score in scorer.score(samples)]

    return run


class NetworkClock:
    """Counts seconds inside networks: the outermost modules, and RAFT's steps, which are not module calls.

    On CUDA it synchronizes on entry and exit.
    """

    def __init__(self, device: str):
        from torch.nn.modules import module

        from nova_bench.networks.raft import RAFT

        self.seconds, self._depth, self._began, self._device = 0.0, 0, 0.0, device
        module.register_module_forward_pre_hook(lambda *_: self._enter())
        module.register_module_forward_hook(lambda *_: self._leave())
        for name in ("features", "context", "flow"):
            setattr(RAFT, name, self._timed(getattr(RAFT, name)))

    def _timed(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            self._enter()
            result = step(*arguments)
            self._leave()
            return result

        return timed

    def _now(self) -> float:
        if self._device.startswith("cuda"):
            import torch

            torch.cuda.synchronize()
        return time.perf_counter()

    def _enter(self) -> None:
        self._depth += 1
        if self._depth == 1:
            self._began = self._now()

    def _leave(self) -> None:
        self._depth -= 1
        if self._depth == 0:
            self.seconds += self._now() - self._began


def run_our_set(dimensions: Sequence[str], videos: list[str], weights: Path, device: str) -> Callable[[], dict]:
    """Return a function that scores the videos in all dimensions, decoding each once, and reports timings."""
    sys.path.insert(0, str(ROOT))
    from nova_bench.config.catalog import SCORERS
    from nova_bench.scorers.base import Sample, ScorerContext
    from nova_bench.video import decode_ahead, read_clip

    read_clip(videos[0], 1)
    context = ScorerContext(device, lambda name: weights / f"{ASSETS[name]}.pth")
    infos = {dimension: SCORERS.get(dimension) for dimension in dimensions}
    scorers = {dimension: info.build(info.settings(), context) for dimension, info in infos.items()}

    def run() -> dict[str, Any]:
        clock, frames = NetworkClock(device), 0
        spent = dict.fromkeys(["waiting for frames", *scorers], 0.0)
        before = time.perf_counter()
        for _, clip in decode_ahead(videos):
            spent["waiting for frames"] += time.perf_counter() - before
            frames += clip.frame_count
            for dimension, scorer in scorers.items():
                before = time.perf_counter()
                scorer.score([Sample(clip)])
                spent[dimension] += time.perf_counter() - before
            before = time.perf_counter()
        return {"frames": frames, "networks": clock.seconds, "seconds": spent}

    return run


def make_large(folder: Path, frames: int) -> str:
    """Make a clip of realistic size, 768x480 at 12 frames a second: a test clip forwards and backwards, enlarged."""
    import cv2
    import numpy as np

    sys.path.insert(0, str(ROOT))
    from nova_bench.video import read_clip, write_mp4

    small = read_clip(next(CLIPS.glob("r2_*.mp4"))).frames.numpy()
    order = [*range(len(small)), *range(len(small) - 2, 0, -1)]
    indices = [order[index % len(order)] for index in range(frames)]
    large = [cv2.resize(small[index], (768, 480), interpolation=cv2.INTER_CUBIC) for index in indices]
    path = folder / f"large_768x480_{frames}f.mp4"
    write_mp4(path, np.stack(large))
    return str(path)


def run_official(dimension: str, videos: list[str], weights: Path, device: str, dino: str) -> Callable[[], list[Any]]:
    """Return a function that scores the videos with the official code, whose network is loaded."""
    import torch

    sys.path = [entry for entry in sys.path if Path(entry).resolve() != Path(__file__).resolve().parent]
    _let_torchvision_import()  # and without this file's folder, `vbench` is the package
    import vbench.utils  # noqa: F401

    device = torch.device(device)
    if dimension == "subject_consistency":
        from vbench.subject_consistency import subject_consistency

        model = torch.hub.load(dino, "dino_vitb16", source="local", pretrained=False)
        model.load_state_dict(torch.load(weights / "dino_vitb16.pth"))
        model = model.to(device).eval()
        return lambda: _results(subject_consistency(model, videos, device, False))
    if dimension == "background_consistency":
        from vbench.background_consistency import background_consistency

        clip = _official_clip(weights / "clip_vitb32.pth", 512, 12, 768, 32, 512, device)
        return lambda: _results(background_consistency(clip, None, videos, device, False))
    if dimension == "temporal_flickering":
        from vbench.temporal_flickering import temporal_flickering

        return lambda: _results(temporal_flickering(videos))
    if dimension == "motion_smoothness":
        import vbench.motion_smoothness as module

        config = Path(module.__file__).parent / "third_party/amt/cfgs/AMT-S.yaml"
        motion = module.MotionSmoothness(str(config), str(weights / "amt_s.pth"), device)
        return lambda: [motion.motion_score(video) for video in videos]
    if dimension == "dynamic_degree":
        from easydict import EasyDict
        from vbench.dynamic_degree import DynamicDegree

        choices = {"small": False, "mixed_precision": False, "alternate_corr": False}
        dynamic = DynamicDegree(EasyDict({"model": str(weights / "raft.pth"), **choices}), device)
        return lambda: [float(dynamic.infer(video)) for video in videos]
    if dimension == "aesthetic_quality":
        from vbench.aesthetic_quality import get_aesthetic_model, laion_aesthetic

        head = get_aesthetic_model(str(weights)).to(device)
        clip = _official_clip(weights / "clip_vitl14.pth", 768, 24, 1024, 14, 768, device)
        return lambda: _results(laion_aesthetic(head, clip, videos, device))
    _import_only_musiq()
    from vbench.imaging_quality import MUSIQ, technical_quality

    musiq = MUSIQ(pretrained_model_path=str(weights / "musiq_spaq.pth")).to(device)
    musiq.training = False
    return lambda: _results(technical_quality(musiq, videos, device))


def _results(outcome: tuple[float, list[dict[str, Any]]]) -> list[float]:
    return [float(entry["video_results"]) for entry in outcome[1]]


def _official_clip(path: Path, features: int, layers: int, width: int, patch: int, text_width: int, device: Any) -> Any:
    """Build OpenAI's class with the rule's image half; the text half is unused."""
    import torch
    from clip.model import CLIP, convert_weights

    model = CLIP(features, 224, layers, width, patch, 77, 49408, text_width, text_width // 64, 12)
    model.load_state_dict(torch.load(path), strict=False)
    if device.type == "cuda":
        convert_weights(model)
    return model.to(device).eval()


def _let_torchvision_import() -> None:
    """Define two unused operators that PyPI's torchvision lacks when torch has no CUDA."""
    import torch

    if torch.version.cuda is None:
        global _LIBRARY  # lives as long as the process
        _LIBRARY = torch.library.Library("torchvision", "DEF")
        _LIBRARY.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _LIBRARY.define("qnms(Tensor dets, Tensor scores, Tensor iou_threshold) -> Tensor")


def _import_only_musiq() -> None:
    """Keep pyiqa from importing its hundred other metrics, each with its own dependencies."""
    from importlib.util import find_spec
    from types import ModuleType

    root = find_spec("pyiqa").submodule_search_locations[0]
    for name in ("pyiqa", "pyiqa.archs", "pyiqa.data", "pyiqa.utils"):
        package = ModuleType(name)
        package.__path__ = [str(Path(root, *name.split(".")[1:]))]
        sys.modules[name] = package


def work(options: argparse.Namespace) -> None:
    """Run one side of one dimension, or our set; print seconds and results as JSON."""
    import torch

    torch.set_num_threads(options.threads)
    weights = Path(options.weights)
    if options.side == "set":
        run = run_our_set(options.dimension, options.videos, weights, options.device)
    elif options.side == "official":
        run = run_official(options.dimension[0], options.videos, weights, options.device, options.dino_code)
    else:
        run = run_ours(options.dimension[0], options.videos, weights, options.device)
    started, cpu = time.perf_counter(), time.process_time()
    scores = run()
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    print(json.dumps({"seconds": seconds, "cpu": cpu, "scores": scores}))


def measure(
    side: str, dimensions: Sequence[str], python: str, options: argparse.Namespace, weights: Path
) -> dict[str, Any]:
    """Run one side of one dimension, or our set, in a separate process."""
    command = [python, __file__, *options.videos, "--side", side, "--weights", str(weights)]
    command += [word for dimension in dimensions for word in ("--dimension", dimension)]
    command += ["--threads", str(options.threads), "--device", options.device]
    command += ["--dino-code", options.dino_code] if options.dino_code else []
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)
    if result.returncode != 0:
        raise SystemExit(f"{side} {dimensions} failed:\n{result.stderr}")
    return json.loads(result.stdout.strip().splitlines()[-1])


def missing(options: argparse.Namespace) -> str | None:
    """Say what the official side lacks; None if it can run."""
    if options.official_python is None:
        return "the official code is not compared: give --official-python (see --help for what it must have)"
    probe = "import importlib.util as u, sys; print([n for n in sys.argv[1:] if u.find_spec(n) is None])"
    command = [options.official_python, "-c", probe, *OFFICIAL_IMPORTS]
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="*", metavar="VIDEO", help="mp4 files; default: the test clips")
    parser.add_argument("--large", type=int, metavar="FRAMES", help="a clip of that many frames, 768x480, instead")
    parser.add_argument("--dimension", action="append", choices=NETWORKS, help="default: all")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--official-python", metavar="PATH")
    parser.add_argument("--dino-code", metavar="FOLDER")
    parser.add_argument("--flops", action="store_true", help="count operations instead, as vbench_flops.py does")
    parser.add_argument("--side", choices=["ours", "official", "set"], help=argparse.SUPPRESS)
    parser.add_argument("--weights", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.flops:
        import vbench_flops

        vbench_flops.main([])
        return
    options.dimension = options.dimension or list(NETWORKS)
    # The official motion smoothness fails on two frames and on sides below 113 pixels.
    options.videos = options.videos or [str(path) for path in sorted(CLIPS.glob("r[13467]_*.mp4"))]
    if options.side:
        work(options)
        return
    with tempfile.TemporaryDirectory() as folder:
        if options.large:
            options.videos = [make_large(Path(folder), options.large)]
        compare(options, Path(folder))


def compare(options: argparse.Namespace, folder: Path) -> None:
    """Measure and print everything requested."""
    if note := missing(options):
        print(f"{note}\n")
    print(f"{len(options.videos)} clips, {options.device}, {options.threads} threads")
    columns = ["dimension", "ours, s", "ours, CPU s", "official, s", "official, CPU s", "times", "CPU times", "apart"]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)
    make_weights(folder, options.dimension)
    totals = [0.0] * 4
    for dimension in options.dimension:
        ours = measure("ours", [dimension], sys.executable, options, folder)
        row, difference = [ours["seconds"], ours["cpu"]], "-"
        if not note:
            official = measure("official", [dimension], options.official_python, options, folder)
            row += [official["seconds"], official["cpu"]]
            difference = apart(ours["scores"], official["scores"])
        totals = [total + value for total, value in zip(totals, [*row, 0.0, 0.0], strict=False)]
        print(_line(dimension, row, difference), flush=True)
    print(_line("one after the other", totals if not note else totals[:2], ""), flush=True)
    together = measure("set", options.dimension, sys.executable, options, folder)
    row = [together["seconds"], together["cpu"]]
    print(_line("the set, decoded once", row if note else [*row, *totals[2:]], ""))
    if MOVING in options.dimension:
        print(_moving(options, folder, note is None), flush=True)
    found, whole = together["scores"], together["seconds"]
    waiting, networks = (seconds / whole for seconds in (found["seconds"]["waiting for frames"], found["networks"]))
    print(f"\nOur set: {found['frames'] / whole:.3g} frames a second through all of them; waiting for the decoder")
    print(f"{waiting:.1%}, networks {networks:.0%}, host and the rest {1 - waiting - networks:.0%}")
    print(f"By dimension: {', '.join(f'{name} {seconds / whole:.0%}' for name, seconds in found['seconds'].items())}")


def _moving(options: argparse.Namespace, folder: Path, with_official: bool) -> str:
    enlarge_flow(folder)
    ours = measure("ours", [MOVING], sys.executable, options, folder)
    row, difference = [ours["seconds"], ours["cpu"]], "-"
    if with_official:
        official = measure("official", [MOVING], options.official_python, options, folder)
        row += [official["seconds"], official["cpu"]]
        difference = apart(ours["scores"], official["scores"])
    return _line(f"{MOVING}, {sum(ours['scores']):.0f} of {len(options.videos)} clips moving", row, difference)


def _line(name: str, row: list[float], difference: str) -> str:
    cells = [f"{value:.2f}" for value in row] + ["-"] * (4 - len(row))
    cells += [f"{row[2] / row[0]:.1f}", f"{row[3] / row[1]:.1f}"] if len(row) == 4 else ["-", "-"]
    return f"| {name} | {' | '.join(cells)} | {difference} |"


if __name__ == "__main__":
    main()
