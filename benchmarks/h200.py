"""Measure Table 1 and Table 2's times at full size, and the ratio to the original, on one GPU in ten minutes.

    python benchmarks/h200.py --original PATH_TO_CHECKOUT          # writes results/h200
    python benchmarks/h200.py --original PATH_TO_CHECKOUT --rehearse     # the same on a CPU, with a miniature

First the two implementations alternate in generating the same short videos: the published 0.6B video model with random
weights, the paper's batch, size and steps per frame, but few frames and autoregressive steps. Then
suites/latency_paper.yaml runs in the remaining time: its rows in order, each only if a short call shows that it fits.
Other rows are skipped; repeat the command to measure them. Rows, tables, figures and manifest go to ``--out``.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

PROMPTS = ["a beach with no people", "beautiful fireworks in the sky with red, white and blue"]
FULL = {"model": "nova-0.6b-t2v", "batch": 24, "latents": 2, "steps": 32, "diffusion": 25, "dtype": "float16"}
MINIATURE = {"model": "miniature", "batch": 2, "latents": 2, "steps": 4, "diffusion": 4, "dtype": "float32"}
RESERVE = 40.0
"""Seconds of the limit reserved for the report and for copying."""


def compare(checkout: Path, size: dict, device: str, pairs: int) -> dict:
    """Time both implementations alternately on the same videos; seconds, and original / this of each pair."""
    import torch

    from benchmarks.nova_generate import VAE
    from benchmarks.nova_original import load_original
    from nova_bench.core.device import describe_device
    from nova_bench.models.random_weights import random_pipeline
    from nova_bench.nova import NOVAPipeline

    dtype = getattr(torch, size["dtype"])
    own = random_pipeline(size["model"], dtype, device)
    if size is MINIATURE:  # the original's normalization needs at least 32 channels
        own = NOVAPipeline.from_config(own.transformer.config, dtype, device, vae=VAE)
    with tempfile.TemporaryDirectory() as folder:
        own.save_pretrained(folder)
        original = load_original(checkout, folder).to(device, dtype)
    call = {
        "prompt": [PROMPTS[index % len(PROMPTS)] for index in range(size["batch"])],
        "num_inference_steps": size["steps"],
        "num_diffusion_steps": size["diffusion"],
        "max_latent_length": size["latents"],
        "guidance_scale": 7.0,
        "output_type": "np",
        "disable_progress_bar": True,
    }

    def seconds(pipeline) -> float:
        _wait(device)
        started = time.perf_counter()
        pipeline(generator=torch.Generator(device).manual_seed(0), **call)
        _wait(device)
        return time.perf_counter() - started

    timed: dict[str, list[float]] = {"own": [], "original": []}
    pipelines = {"own": own, "original": original}
    for pipeline in pipelines.values():
        seconds(pipeline)  # warm-up
    for turn in range(pairs):
        for name in sorted(pipelines, reverse=turn % 2 == 1):
            timed[name].append(seconds(pipelines[name]))
    ratios = [theirs / mine for theirs, mine in zip(timed["original"], timed["own"], strict=True)]
    return {
        "what": "seconds for one batch, prompts to bytes on the host; both eager, the same random weights",
        "setting": {**size, "image_size": list(own.transformer.config.image_size), "guidance_scale": 7.0},
        "device": describe_device(device),
        "torch": torch.__version__,
        "seconds": timed,
        "original_over_own": {"median": statistics.median(ratios), "pairs": ratios},
    }


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)


def measure(store: Path, device: str, minutes: float, rehearse: bool) -> int:
    """Run the suite in ``minutes``; returns exit code 0 if all rows are measured, else 3."""
    from nova_bench.core.progress import Progress
    from nova_bench.experiments.base import Request
    from nova_bench.experiments.registry import run_request

    assignments = [f"execution.minutes={minutes:.3f}", *(_rehearsal() if rehearse else [])]
    request = Request(str(ROOT / "suites" / "latency_paper.yaml"), store, None, assignments, {"device": device})
    reported = run_request(request, Progress())
    for gap in reported.gaps:
        print(f"incomplete: {gap}")
    print(f"report: {reported.page}")
    return int(reported.exit_code)


def _rehearsal() -> list[str]:
    """Adapt the suite's rows to a CPU: float32 for float16, compiled without CUDA graphs, a miniature."""
    import yaml

    rows = yaml.safe_load((ROOT / "suites" / "latency_paper.yaml").read_text(encoding="utf-8"))["rows"]
    for row in rows:
        setting = row["setting"]
        row["label"] = f"{row['label']} (rehearsed)"
        setting["dtype"] = "float32" if setting["dtype"] == "float16" else setting["dtype"]
        if "mode" in setting:
            setting["mode"] = "compiled"
        if "num_frames" in setting:
            setting["num_frames"] = 9
    small = {"num_frames": 5, "size": "96x64", "batch_size": 2, "num_inference_steps": 8, "num_diffusion_steps": 4}
    return [
        "title=Rehearsal of the times at full size",
        "description=A miniature with random weights on a CPU, by the same code; none of the paper's sizes.",
        "model.checkpoint=miniature",
        'model.label="rehearsal on a CPU: miniature, random weights"',
        *(f"setting.{key}={value}" for key, value in small.items()),
        f"rows={json.dumps(rows)}",
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--original", type=Path, help="a checkout of the original implementation")
    parser.add_argument("--minutes", type=float, default=9.5, help="time limit for everything")
    parser.add_argument("--pairs", type=int, default=3, help="pairs of calls in the comparison with the original")
    parser.add_argument("--rehearse", action="store_true", help="on the CPU, with a miniature")
    parser.add_argument("--out", type=Path, help="folder for the results (results/h200)")
    parser.add_argument("--store", type=Path, help="store of the measurements (runs/h200)")
    options = parser.parse_args()
    began = time.monotonic()
    import torch

    name = "h200-rehearsal" if options.rehearse else "h200"
    out = options.out or (ROOT / "runs" / f"{name}-results" if options.rehearse else ROOT / "results" / name)
    store = options.store or ROOT / "runs" / name
    if not options.rehearse and not torch.cuda.is_available():
        parser.error("no CUDA device here: --rehearse runs the same code on the CPU")
    device = "cpu" if options.rehearse else "cuda"
    ratio = None
    if options.original is None:
        print("comparison skipped: give --original PATH, a checkout of the original implementation")
    else:
        size = MINIATURE if options.rehearse else FULL
        try:
            ratio = compare(options.original, size, device, options.pairs)
        except (ImportError, FileNotFoundError, torch.OutOfMemoryError) as error:
            print(f"comparison skipped: {type(error).__name__}: {error}")
        else:
            found = ratio["original_over_own"]
            spread = f"{min(found['pairs']):.2f} to {max(found['pairs']):.2f}, {len(found['pairs'])} pairs"
            print(f"original / this, {size['dtype']}, eager: {found['median']:.2f} ({spread})")
        gc.collect()
        if device == "cuda":
            torch.cuda.empty_cache()
    left = 60 * options.minutes - (time.monotonic() - began) - RESERVE
    code = measure(store, device, max(left, 1.0) / 60, options.rehearse)
    collect = importlib.util.spec_from_file_location("collect", ROOT / "results" / "collect.py")
    module = importlib.util.module_from_spec(collect)
    collect.loader.exec_module(module)
    module.collect(store, out, "latency-paper")
    if ratio is not None:
        (out / "original.json").write_text(json.dumps(ratio, indent=2) + "\n", encoding="utf-8")
    print(f"results: {out}; {time.monotonic() - began:.0f} s in all")
    return code


if __name__ == "__main__":
    sys.exit(main())
