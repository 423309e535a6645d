"""Time our video decoder against the official one: same weights, same latents, alternating runs, ratio with spread.

    python benchmarks/vae_decode.py --original PATH [--case small|published] [--compiled]
                                    [--device cuda --dtype float16]

PATH is a checkout of github.com/baaivision/NOVA whose requirements are importable. Quote only the ratios: both sides
alternate in one process on one machine, so that a busy machine slows both. On the CPU the ratio of processor seconds is
printed too, because other work disturbs it less. If other work competes for the cores, set OMP_WAIT_POLICY=passive or
--threads 1: by default OpenMP threads burn time waiting for each other.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from nova_bench.nova.vae import AutoencoderKLOpenSora, load_vae

# Latent shape, and changes to the published config.
CASES = {
    "small": ((1, 4, 4, 32, 48), {"block_out_channels": [32, 32, 32, 32], "layers_per_block": 0}),
    "published": ((1, 4, 2, 8, 12), {}),
}
# Largest difference of the outputs, relative to the peak.
TOLERANCE = {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}


def load_original(path: Path, folder: Path, device: str, dtype: torch.dtype) -> Callable[[torch.Tensor], torch.Tensor]:
    """Load the official decoder with the weights of ``folder``, as a function of latents."""
    if not (path / "diffnext").is_dir():
        raise SystemExit(f"{path}: no diffnext package here; pass a checkout of github.com/baaivision/NOVA")
    sys.path.insert(0, str(path))
    logging.disable(logging.WARNING)  # advice on installing packages that loading doesn't need
    try:
        from diffnext.models.autoencoders.autoencoder_kl_opensora import AutoencoderKLOpenSora as Original
    except ImportError as error:
        raise SystemExit(f"{path}: can't be imported ({error})") from error
    model = Original.from_pretrained(folder, torch_dtype=dtype).to(device).eval()

    def decode(z: torch.Tensor) -> torch.Tensor:
        out = model.decode(z)
        return out if isinstance(out, torch.Tensor) else out[0]

    return decode


def timed(function: Callable[[torch.Tensor], torch.Tensor], z: torch.Tensor) -> tuple[float, float]:
    """Wall and processor seconds of one call, device work included."""
    if z.is_cuda:
        torch.cuda.synchronize()
    wall, processor = time.perf_counter(), time.process_time()
    function(z)
    if z.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - wall, time.process_time() - processor


def ratio(pairs: list[tuple[float, float]]) -> str:
    """Original over ours, median and range."""
    ratios = sorted(theirs / ours for theirs, ours in pairs)
    return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"


def compare(case: str, original: Path, device: str, dtype: torch.dtype, repeats: int, compiled: bool) -> str:
    """Run one case; returns the line to print."""
    shape, change = CASES[case]
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        AutoencoderKLOpenSora(change).save_pretrained(folder)
        vae = load_vae(folder, torch_dtype=dtype, device=device)
        if compiled:
            vae.speed_up()
        ours = vae.decode
        theirs = load_original(original, Path(folder), device, dtype)
    z = torch.randn(shape).to(device, dtype)
    # The first round warms up and checks that both compute the same.
    expected = theirs(z)
    difference = ((ours(z) - expected).abs().max() / expected.abs().max()).item()
    if not difference <= TOLERANCE[dtype]:
        raise SystemExit(f"{case}: outputs differ by {difference:.1e} of the peak, more than {TOLERANCE[dtype]:.0e}")
    runs = [(timed(theirs, z), timed(ours, z)) for _ in range(repeats)]
    line = f"{case}: original / ours = {ratio([(a[0], b[0]) for a, b in runs])} in wall time"
    if device == "cpu":
        line += f", {ratio([(a[1], b[1]) for a, b in runs])} in processor time"
    name = str(dtype).removeprefix("torch.")
    return f"{line}; {repeats} alternating pairs, {device} {name}, outputs within {difference:.0e} of the peak"


def main() -> None:
    parser = argparse.ArgumentParser(description="Video decoder: ours against the official one.")
    parser.add_argument("--original", type=Path, help="checkout of github.com/baaivision/NOVA")
    parser.add_argument("--case", choices=CASES, action="append", help="default: all")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=["float32", "float16", "bfloat16"], default="float32")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--compiled", action="store_true", help="with this CPU's fastest convolutions, as pipelines do")
    parser.add_argument("--threads", type=int, help="CPU threads; default: what torch takes")
    arguments = parser.parse_args()
    if arguments.original is None:
        raise SystemExit("needs --original PATH, a checkout of github.com/baaivision/NOVA to compare with")
    if arguments.compiled and (arguments.device, arguments.dtype) != ("cpu", "float32"):
        raise SystemExit("--compiled is for float32 on the CPU")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.set_grad_enabled(False)
    for case in arguments.case or CASES:
        dtype = getattr(torch, arguments.dtype)
        settings = (arguments.device, dtype, arguments.repeats, arguments.compiled)
        print(compare(case, arguments.original, *settings), flush=True)


if __name__ == "__main__":
    main()
