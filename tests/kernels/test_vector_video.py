"""Convolutions of videos in compiled code, and what is fused with them, equal PyTorch's own up to rounding."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from nova_bench.kernels.simd.library import library
from nova_bench.kernels.simd.norm import channel_sums
from nova_bench.kernels.simd.video import WinogradVideoConvolution, winograd_video
from tests.kernels.float64 import drawn

pytestmark = pytest.mark.skipif(library() is None, reason="needs a CPU with AVX2 and a C compiler")
TOLERANCE = 2e-5  # relative to the largest result or, if all are small, to what is summed up for them, about 1


def layer_of(inputs: int, outputs: int, frames: int) -> nn.Conv3d:
    layer = nn.Conv3d(inputs, outputs, (frames, 3, 3), padding=(0, 1, 1)).requires_grad_(False)
    layer.weight.data = drawn(1, *layer.weight.shape) / layer.weight[0].numel() ** 0.5
    layer.bias.data = drawn(2, outputs)
    return layer


def made(layer: nn.Conv3d) -> WinogradVideoConvolution:
    convolution = winograd_video(layer)
    assert convolution is not None
    return convolution


def channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last_3d)


def results(like: Tensor, layer: nn.Conv3d, frames: int, size: tuple[int, int]) -> Tensor:
    return channels_last(drawn(3, 1, layer.out_channels, frames, *size))


def close(result: Tensor, exact: Tensor) -> bool:
    return bool((result.double() - exact).abs().max() <= TOLERANCE * exact.abs().max().clamp(min=1))


@settings(max_examples=30, deadline=None)
@given(
    st.integers(16, 70), st.integers(1, 70), st.sampled_from([1, 3]), st.integers(1, 5), st.integers(1, 19),
    st.integers(1, 19), st.booleans(),
)  # fmt: skip
def test_convolutions_of_any_size(
    inputs: int, outputs: int, taps: int, frames: int, height: int, width: int, add: bool
) -> None:
    layer = layer_of(inputs, outputs, taps)
    x = channels_last(drawn(0, 1, inputs, frames + taps - 1, height, width))
    out = results(x, layer, frames, (height, width))
    exact = layer.double()(x.double()) + (out.double() if add else 0)
    made(layer.float())(x, out, add=add)
    assert close(out, exact)


@settings(max_examples=20, deadline=None)
@given(st.integers(16, 40), st.sampled_from([1, 3]), st.integers(1, 21), st.integers(1, 75), st.booleans())
def test_after_a_norm_and_an_activation(inputs: int, taps: int, height: int, width: int, add: bool) -> None:
    layer, x = layer_of(inputs, 20, taps), channels_last(drawn(0, 1, inputs, 2, height, width))
    scale, shift = drawn(4, inputs), drawn(5, inputs)
    out = results(x, layer, 2, (height, width))
    active = F.silu(x.double() * scale.view(-1, 1, 1, 1) + shift.view(-1, 1, 1, 1))
    exact = layer.double()(torch.cat([active[:, :, :1]] * (taps - 1) + [active], dim=2)) + (out.double() if add else 0)
    made(layer.float()).after_norm(x, scale, shift, out, add=add)
    assert close(out, exact)


@settings(max_examples=20, deadline=None)
@given(st.integers(16, 40), st.integers(1, 11), st.integers(1, 38))
def test_of_doubled_pixels(inputs: int, height: int, width: int) -> None:
    layer, x = layer_of(inputs, 40, 1), channels_last(drawn(0, 1, inputs, 2, height, width))
    exact = layer.double()(x.double().repeat_interleave(2, 3).repeat_interleave(2, 4))
    out = results(x, layer, 2, (2 * height, 2 * width))
    made(layer.float()).of_doubled(x, out)
    assert close(out, exact)


def test_weights_are_arranged_when_first_needed() -> None:
    layer, x = layer_of(16, 16, 1), channels_last(drawn(0, 1, 16, 1, 6, 6))
    convolution = made(layer)
    assert "weight" not in vars(convolution)
    convolution(x, results(x, layer, 1, (6, 6)), add=False)
    assert vars(convolution)["weight"].numel() == 64 * 16 * 16


def test_several_threads_give_the_same() -> None:
    layer, x = layer_of(32, 32, 3), channels_last(drawn(0, 1, 32, 5, 40, 60))
    before, outs = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            outs.append(results(x, layer, 3, (40, 60)))
            made(layer)(x, outs[-1], add=False)
            outs.append(channel_sums(x[0].permute(1, 2, 3, 0).flatten(1, 2), torch.zeros(32)))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(outs[0], outs[2])
    assert torch.equal(outs[1], outs[3])


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv3d(8, 32, (3, 3, 3)),
        nn.Conv3d(32, 32, (2, 3, 3)),
        nn.Conv3d(32, 32, 1),
        nn.Conv3d(32, 32, (3, 3, 3), bias=False),
        nn.Conv3d(32, 32, (3, 3, 3)).double(),
    ],
)
def test_other_layers_are_left_alone(layer: nn.Conv3d) -> None:
    assert winograd_video(layer) is None


def test_other_types_are_refused() -> None:
    layer = layer_of(32, 32, 1)
    x = channels_last(drawn(0, 1, 32, 1, 4, 4))
    with pytest.raises(TypeError, match="float64"):
        made(layer)(x.double(), x.clone(), add=False)


def test_sums_of_channels() -> None:
    x, centre = drawn(0, 2, 9000, 48) + 30, drawn(1, 48) + 30
    exact = torch.stack([(x.double() - centre).sum(1), (x.double() - centre).square().sum(1)])
    sums = channel_sums(x, centre)
    assert sums is not None
    torch.testing.assert_close(sums, exact, rtol=1e-6, atol=2e-2)
    assert channel_sums(x[..., :40], centre[:40]) is None
    assert channel_sums(x.double(), centre) is None
