"""Time layers on a CPU in each of the ways that nova_bench/kernels has: products, attention, convolutions of videos.

    python benchmarks/cpu_layers.py [--threads N] [--calls N] [--part linear|attention|video|half]

Each line shows one size and, for each way, PyTorch's time / this way's time (best of alternating calls, wall time) and
the largest error relative to the largest result, against float64; for linear layers also the rate of the products, in
GFLOP/s, with the activation's time counted in. `half` are convolutions of videos in half precision.
NOVA_BENCH_SIMD=avx2 with ONEDNN_MAX_CPU_ISA=AVX2, MKL_ENABLE_INSTRUCTIONS=AVX2 and ATEN_CPU_CAPABILITY=avx2 imitates a
CPU without AVX-512.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from nova_bench.kernels.amx.layers import SlicedLinear, sliced_attention
from nova_bench.kernels.amx.library import library as amx
from nova_bench.kernels.amx.video import SlicedVideoConvolution
from nova_bench.kernels.half import multiplies
from nova_bench.kernels.packed import PackedLinear, usable
from nova_bench.kernels.simd.attention import vector_attention
from nova_bench.kernels.simd.library import library as simd
from nova_bench.kernels.simd.linear import VectorLinear
from nova_bench.kernels.simd.video import WinogradVideoConvolution
from nova_bench.nova.vae.frames import conv3d

LINEAR = {  # rows, inputs, outputs, activation
    "NOVA's benchmark, MLP": (1920, 256, 1024, "GELU"),
    "back": (1920, 1024, 256, None),
    "diffusion MLP": (144, 256, 256, "SiLU"),
    "DINO ViT-B/16, 2 images, MLP": (1576, 768, 3072, "GELU"),
    "CLIP ViT-L/14, 8 images, MLP": (2056, 1024, 4096, "SiLU"),
    "30 rows": (30, 768, 768, None),
    "1 row": (1, 768, 768, None),
}
ATTENTION = {  # images, heads, tokens, channels of a head
    "NOVA's benchmark": (4, 8, 480, 32),
    "DINO ViT-B/16, 2 images": (2, 12, 785, 64),
    "CLIP ViT-L/14, 2 images": (2, 16, 257, 64),
}
VIDEO = {  # channels, frames, height, width
    "32 channels": (32, 5, 256, 384),
    "128 channels": (128, 5, 60, 96),
    "256 channels": (256, 5, 30, 48),
}
HALF = {  # channels, frames, height, width, precision
    "bfloat16": (32, 5, 32, 48, torch.bfloat16),
    "float16": (32, 5, 32, 48, torch.float16),
}
Ways = Mapping[str, Callable[[], Tensor]]


def compare(name: str, ways: Ways, exact: Tensor, calls: int, operations: int = 0) -> str:
    """One line of the table; the first way is the one that the others are compared with."""
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(calls):
        for way, call in ways.items():
            start = time.perf_counter()
            call()
            best[way] = min(best[way], time.perf_counter() - start)
    first, *others = ways
    peak = exact.abs().max()
    cells = [
        f"{way} {best[first] / best[way]:.2f} ({(ways[way]().double() - exact).abs().max() / peak:.0e})"
        for way in others
    ]
    rates = ", ".join(f"{way} {operations / best[way] / 1e9:.0f}" for way in ways) if operations else ""
    return f"{name}: {', '.join(cells) or 'no other way here'}{rates and f'; {rates} GFLOP/s'}"


def linear(rows: int, inputs: int, outputs: int, activation: str | None) -> tuple[Ways, Tensor]:
    """Ways of a linear layer with an activation."""
    layer, x = nn.Linear(inputs, outputs).requires_grad_(False), torch.randn(rows, inputs)
    after = getattr(nn, activation)() if activation else nn.Identity()
    ways: dict[str, Callable[[], Tensor]] = {"plain": lambda: after(layer(x))}
    kinds = {"packed": (PackedLinear, usable()), "compiled": (VectorLinear, simd()), "sliced": (SlicedLinear, amx())}
    for way, (kind, there) in kinds.items():
        if there:
            made = kind(layer)
            made.fuse(after)
            ways[way] = lambda made=made: made(x)
    return ways, after(F.linear(x.double(), layer.weight.double(), layer.bias.double()))


def attention(images: int, heads: int, tokens: int, channels: int) -> tuple[Ways, Tensor]:
    """Ways of attention, of one joint projection."""
    parts = torch.randn(images, tokens, 3, heads, channels).permute(2, 0, 3, 1, 4)

    def plain(parts: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2)

    ways: dict[str, Callable[[], Tensor]] = {"plain": lambda: plain(parts)}
    if simd():
        ways["compiled"] = lambda: vector_attention(*parts)
    if amx():
        ways["sliced"] = lambda: sliced_attention(*parts)
    return ways, plain(parts.double())


def video(channels: int, frames: int, height: int, width: int) -> tuple[Ways, Tensor]:
    """Ways of a 3 x 3 x 3 convolution."""
    x = torch.randn(1, channels, frames + 2, height, width).contiguous(memory_format=torch.channels_last_3d)
    weight, bias = torch.randn(channels, channels, 3, 3, 3) / (27 * channels) ** 0.5, torch.randn(channels)
    out = torch.empty(1, channels, frames, height, width).contiguous(memory_format=torch.channels_last_3d)

    def onednn(x: Tensor) -> Tensor:
        return torch.ops.aten.mkldnn_convolution(x, weight, bias, (0, 1, 1), (1, 1, 1), (1, 1, 1), 1)

    ways: dict[str, Callable[[], Tensor]] = {"plain": lambda: onednn(x)}
    for way, kind, there in (("compiled", WinogradVideoConvolution, simd()), ("sliced", SlicedVideoConvolution, amx())):
        if there:
            made = kind(weight, bias)

            def call(made: WinogradVideoConvolution | SlicedVideoConvolution = made) -> Tensor:
                made(x, out, add=False)
                return out

            ways[way] = call
    return ways, F.conv3d(x.double(), weight.double(), bias.double(), padding=(0, 1, 1))


def half(channels: int, frames: int, height: int, width: int, precision: torch.dtype) -> tuple[Ways, Tensor]:
    """Ways of a 3 x 3 x 3 convolution in half precision; the error is that of rounding."""
    x = torch.randn(1, channels, frames + 2, height, width).to(precision).to(memory_format=torch.channels_last_3d)
    weight = (torch.randn(channels, channels, 3, 3, 3) / (27 * channels) ** 0.5).to(precision)

    def plain() -> Tensor:
        return F.conv3d(x, weight, None, 1, (0, 1, 1))

    ways: dict[str, Callable[[], Tensor]] = {"plain": plain}
    if not multiplies(precision):
        ways["in float32"] = lambda: conv3d(x, weight, None, 1)
    return ways, F.conv3d(x.double(), weight.double(), None, padding=(0, 1, 1))


PARTS = {"linear": (linear, LINEAR), "attention": (attention, ATTENTION), "video": (video, VIDEO), "half": (half, HALF)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--calls", type=int, default=15, help="of each way")
    parser.add_argument("--part", choices=PARTS, action="append", help="may be given more than once")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    torch.set_grad_enabled(False)
    print(f"torch {torch.__version__}, {options.threads} threads; times as fast as plain (error)")
    for part in options.part or PARTS:
        make, sizes = PARTS[part]
        for name, size in sizes.items():
            operations = 2 * math.prod(size[:3]) if part == "linear" else 0
            print(compare(f"{part}, {name}", *make(*size), options.calls, operations), flush=True)


if __name__ == "__main__":
    main()
