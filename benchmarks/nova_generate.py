"""Time NOVA's text-to-video generation, part by part and against the original implementation.

    python benchmarks/nova_generate.py --original PATH_TO_CHECKOUT

Both run the same random weights on the same prompt and random numbers, in float32, alternating in one process, so other
load affects both; read the ratios of the pairs and their spread. On a CPU the seconds are processor seconds; use
``--threads 1`` there, since waiting threads count too. Without ``--original`` the comparison is skipped with a notice.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.nova_original import load_original
from nova_bench.nova import NOVAConfig, NOVAPipeline, Observer

PROMPTS = ["A red cube on top of a blue sphere.", "Many spotted jellyfish pulsating under water."]
CONFIG = NOVAConfig(
    image_size=(256, 384),
    image_stride=8,
    text_token_dim=256,
    text_token_len=256,
    image_base_size=(16, 24),
    video_base_size=(4, 8, 12),
    arch=("vit_d4w256h8", "vit_d8w256h8", "mlp_d3w256"),
    video_mixer_rank=24,
)
VAE = {
    "_class_name": "AutoencoderKLOpenSora",
    "block_out_channels": [32] * 4,
    "down_block_types": ["DownEncoderBlock2D"] * 2 + ["DownEncoderBlock3D"] * 2,
    "up_block_types": ["UpDecoderBlock3D"] * 4,
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 0,
    "norm_num_groups": 32,
    "act_fn": "silu",
    "scaling_factor": 0.18215,
}
CALL = {"num_inference_steps": 16, "num_diffusion_steps": 8, "max_latent_length": 4, "disable_progress_bar": True}


class Profile(Observer):
    """Seconds spent in each region."""

    def __init__(self, device: str):
        self.device, self.seconds = device, defaultdict(float)

    @contextmanager
    def region(self, name):
        _synchronize()
        start = clock(self.device)
        yield
        _synchronize()
        self.seconds[name] += clock(self.device) - start


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def make_checkpoint(folder: Path) -> None:
    """Make a checkpoint with random weights, large enough for the outputs to depend on every part."""
    torch.manual_seed(0)
    pipe = NOVAPipeline.from_config(CONFIG, vae=VAE)
    for network in (pipe.transformer, pipe.text_encoder):
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.04)
    pipe.save_pretrained(folder)


def clock(device: str) -> float:
    """Read processor time on the CPU (unaffected by other processes), wall time on a GPU, in seconds."""
    return time.process_time() if device == "cpu" else time.perf_counter()


def generate(pipe, device: str, output_type: str, **options) -> tuple[torch.Tensor, float]:
    """Run one call with seeded random numbers; return its frames and seconds."""
    generator = torch.Generator(device).manual_seed(1)
    _synchronize()
    start = clock(device)
    out = pipe(PROMPTS, output_type=output_type, generator=generator, **CALL, **options).frames
    _synchronize()
    return torch.as_tensor(out), clock(device) - start


def count_flops(pipe, device: str) -> int:
    """Count the latents' matrix products; plain layers only, since the counter knows no others."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        generate(pipe, device, "latent")
    return counter.get_total_flops()


def matmul_bound(gflop: float, device: str) -> float:
    """Estimate seconds of that many matrix products at the rate of a large plain one on this machine."""
    a, b = torch.randn(1024, 256, device=device), torch.randn(256, 1024, device=device)
    best = float("inf")
    for _ in range(30):
        _synchronize()
        start = clock(device)
        for _ in range(10):
            a @ b
        _synchronize()
        best = min(best, (clock(device) - start) / 10)
    return gflop * 1e9 / (2 * 1024 * 256 * 1024 / best)


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f}, {len(values)} pairs)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--original", type=Path, help="a checkout of the original implementation")
    parser.add_argument("--repeats", type=int, default=3, help="pairs of timed calls")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, help="threads of torch on the CPU")
    parser.add_argument("--graphs", action="store_true", help="replay the diffusion loop as CUDA graphs")
    parser.add_argument("--latents", action="store_true", help="stop before the autoencoder")
    parser.add_argument("--frames", type=int, default=CALL["max_latent_length"], help="latent frames")
    parser.add_argument("--json", type=Path, help="write the numbers here")
    options = parser.parse_args()
    CALL["max_latent_length"] = options.frames
    if options.threads:
        torch.set_num_threads(options.threads)
    kind, device = ("latent" if options.latents else "np"), options.device
    print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads, {platform.machine()}")
    result: dict = {"device": device, "torch": torch.__version__}
    with tempfile.TemporaryDirectory() as folder:
        make_checkpoint(Path(folder))
        own = NOVAPipeline.from_pretrained(folder, device=device)
        gflop = count_flops(own, device) / 1e9
        own.speed_up()
        if options.graphs:
            own.enable_cuda_graphs()
        original = None
        if options.original is None:
            print("comparison skipped: give --original PATH, a checkout of the original implementation")
        else:
            original = load_original(options.original, folder).to(device)
        _, warmup = generate(own, device, kind)
        print(f"first call {warmup:.2f} s (warm-up, not counted)")
        if original is not None:
            reference, _ = generate(original, device, "latent")
            latents, _ = generate(own, device, "latent")
            worst, peak = (latents - reference).abs().max().item(), reference.abs().max().item()
            print(f"latents differ by at most {worst:.1e} (peak {peak:.1f})")
            result["latents_max_difference"] = worst
        own_seconds, original_seconds, ratios = [], [], []
        for _ in range(options.repeats):
            own_seconds.append(generate(own, device, kind)[1])
            if original is not None:
                original_seconds.append(generate(original, device, kind)[1])
                ratios.append(original_seconds[-1] / own_seconds[-1])
        print(f"this implementation: {statistics.median(own_seconds):.2f} s")
        if ratios:
            print(f"original: {statistics.median(original_seconds):.2f} s; original / this: {spread(ratios)}")
        profile = Profile(device)
        _, total = generate(own, device, kind, observer=profile)
        parts = {**profile.seconds, "rest": total - sum(profile.seconds.values())}
        print("parts: " + ", ".join(f"{name} {s:.3f} s ({s / total:.0%})" for name, s in parts.items()))
        bound = matmul_bound(gflop, device)
        latent_seconds = statistics.median(generate(own, device, "latent")[1] for _ in range(options.repeats))
        print(
            f"latents: {latent_seconds:.2f} s; their {gflop:.0f} GFLOP of matrix products alone would take "
            f"{bound:.2f} s at this machine's rate ({latent_seconds / bound:.2f} times the bound)"
        )
        result |= {"own_seconds": own_seconds, "original_seconds": original_seconds, "ratios": ratios, "parts": parts}
        result |= {"latent_seconds": latent_seconds, "matmul_bound_seconds": bound, "gflop": gflop}
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
