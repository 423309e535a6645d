"""Convolutions, norms and lookups for CPUs with AVX-512 or AVX2 equal PyTorch's own up to rounding."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nova_bench.kernels.amx.library import library as amx
from nova_bench.kernels.layers import speed_up
from nova_bench.kernels.simd.gru import reset_hidden, update_hidden
from nova_bench.kernels.simd.library import OFF, library, loaded
from nova_bench.kernels.simd.narrow import NarrowConv2d, narrow
from nova_bench.kernels.simd.norm import group_norm
from nova_bench.kernels.simd.winograd import POINTS, WinogradConv2d, filters, winograd
from tests.kernels.again import pass_again
from tests.kernels.float64 import assert_equals_plain, drawn, error

needs_kernel = pytest.mark.skipif(library() is None, reason="needs a CPU with AVX2 and a C compiler")
KERNELS = [(3, 3), (1, 5), (5, 1)]


def convolution(inputs: int, outputs: int, kernel: tuple[int, int], bias: bool = True) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, outputs, kernel, padding=(kernel[0] // 2, kernel[1] // 2), bias=bias)
    layer.weight.data = drawn(1, *layer.weight.shape) / layer.weight[0].numel() ** 0.5
    return layer.requires_grad_(False)


@needs_kernel
@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(KERNELS), st.integers(16, 70), st.integers(16, 70), st.integers(1, 3), st.integers(1, 23),
    st.integers(1, 23), st.booleans(), st.booleans(),
)  # fmt: skip
def test_convolutions_of_any_size(
    kernel: tuple[int, int], inputs: int, outputs: int, count: int, height: int, width: int, bias: bool, last: bool
) -> None:
    layer, x = convolution(inputs, outputs, kernel, bias), drawn(0, count, inputs, height, width)
    made = winograd(layer)
    assert made is not None
    allowed = 1e-5  # of a single pixel, whose taps are few of those that the filters sum up
    assert_equals_plain(made, layer, x, last, allowed)


@needs_kernel
@pytest.mark.parametrize("kernel", KERNELS)
def test_rounding(kernel: tuple[int, int]) -> None:
    layer, x = convolution(256, 128, kernel), drawn(0, 1, 256, 30, 48).relu()
    made = winograd(layer)
    assert made is not None
    assert error(made(x), layer, x) < (5e-6 if kernel == (3, 3) else 1.5e-6)


@needs_kernel
def test_part_of_a_wider_map_and_several_threads() -> None:
    layer, x = convolution(32, 48, (3, 3)), drawn(0, 2, 80, 37, 41).contiguous(memory_format=torch.channels_last)
    made = winograd(layer)
    assert made is not None
    whole = made(x[:, 16:48])
    assert error(whole, layer, x[:, 16:48]) < 3e-6
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert torch.equal(made(x[:, 16:48]), whole)
    finally:
        torch.set_num_threads(threads)


@needs_kernel
@pytest.mark.parametrize("activation", [nn.ReLU(), nn.LeakyReLU(0.1), nn.PReLU(24, init=0.3), nn.PReLU(init=-0.2)])
def test_an_activation_that_follows_in_a_sequence_is_taken_over(activation: nn.Module) -> None:
    plain, x = nn.Sequential(convolution(16, 24, (3, 3)), activation), drawn(0, 2, 16, 9, 10)
    expected = plain.double()(x.double())
    network = speed_up(plain.float(), "cpu")
    assert isinstance(network[0], WinogradConv2d)
    assert isinstance(network[1], nn.Identity)
    torch.testing.assert_close(network(x).double(), expected, rtol=1e-5, atol=2e-5)


@needs_kernel
@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(16, 16, 3, padding=1, stride=2),
        nn.Conv2d(16, 16, 3),
        nn.Conv2d(16, 16, 3, padding=2, dilation=2),
        nn.Conv2d(16, 16, 3, padding=1, groups=2),
        nn.Conv2d(16, 16, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.Conv2d(16, 16, 5, padding=2),
        nn.Conv2d(16, 16, 3, padding=1).double(),
        nn.Linear(16, 16),
    ],
)
def test_other_layers_are_left_alone(layer: nn.Module) -> None:
    assert winograd(layer) is None


@needs_kernel
@settings(max_examples=30, deadline=None)
@given(
    st.integers(64, 150), st.integers(1, 4), st.integers(0, 3), st.integers(1, 23), st.integers(1, 23),
    st.booleans(), st.booleans(),
)  # fmt: skip
def test_convolutions_to_few_channels(
    inputs: int, outputs: int, count: int, height: int, width: int, bias: bool, last: bool
) -> None:
    layer, x = convolution(inputs, outputs, (3, 3), bias), drawn(0, count, inputs, height, width)
    made = narrow(layer)
    assert made is not None
    assert_equals_plain(made, layer, x, last, 2e-6)


@needs_kernel
def test_which_convolutions_are_narrow() -> None:
    others = [
        *(nn.Conv2d(64, 5, 3, padding=1), nn.Conv2d(63, 2, 3, padding=1), nn.Conv2d(64, 2, 3)),
        *(nn.Conv2d(64, 2, 5, padding=2), nn.Conv2d(64, 2, 3, stride=2, padding=1), nn.Conv2d(64, 2, 1)),
        *(nn.Conv2d(64, 2, 3, padding=1, groups=2), nn.Conv2d(64, 2, 3, padding=1).double()),
        nn.Conv2d(64, 2, 3, padding=1, padding_mode="reflect"),
    ]
    assert [narrow(layer) for layer in others] == [None] * len(others)
    if amx() is None:
        (made,) = speed_up(nn.Sequential(nn.Conv2d(64, 2, 3, padding=1)), "cpu")
        assert isinstance(made, NarrowConv2d)


@needs_kernel
def test_other_inputs_are_refused() -> None:
    made = winograd(convolution(16, 16, (3, 3)))
    assert made is not None
    with pytest.raises(TypeError, match=r"float32 on the CPU, not torch\.float64 on cpu"):
        made(drawn(0, 1, 16, 4, 4).double())
    assert made(drawn(0, 0, 16, 4, 4)).shape == (0, 16, 4, 4)


def test_filters_at_their_points() -> None:
    """Cook and Toom: a filter's value at a point, divided by the product of the distances to the other points."""
    assert len(set(POINTS)) == len(POINTS) == 7
    for size in (3, 5):
        matrix = filters(size)
        assert matrix.shape == (len(POINTS) + 1, size)
        assert matrix[-1].tolist()[:-1] == [0] * (size - 1)


def test_without_the_library_everything_is_left_to_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OFF, "0")
    loaded.cache_clear()
    try:
        assert winograd(convolution(16, 16, (3, 3))) is None
        norm, x = nn.GroupNorm(4, 16), drawn(0, 1, 16, 3, 3)
        assert torch.equal(group_norm(norm, x.clone()), norm(x).relu())
    finally:
        monkeypatch.undo()
        loaded.cache_clear()


@needs_kernel
@pytest.mark.skipif(amx() is None, reason="needs a CPU with AMX")
def test_with_amx_it_takes_what_has_few_channels() -> None:
    network = speed_up(nn.Sequential(convolution(128, 128, (3, 3)), convolution(64, 128, (3, 3))), "cpu")
    assert not isinstance(network[0], WinogradConv2d)
    assert isinstance(network[1], WinogradConv2d)


@needs_kernel
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("add", [True, False])
def test_group_norm(relu: bool, add: bool) -> None:
    norm, (x, added) = nn.GroupNorm(8, 64), drawn(0, 2, 5, 64, 6, 7)
    for parameter in norm.parameters():
        parameter.data = drawn(1, 64)
    x = 3 * x + 20
    expected = norm.double()(x.double()) + (added if add else 0)
    expected = expected.relu() if relu else expected
    maps = [maps.contiguous(memory_format=torch.channels_last) for maps in (x, added)]
    result = group_norm(norm.float(), maps[0], maps[1] if add else None, relu=relu)
    torch.testing.assert_close(result.double(), expected, rtol=1e-5, atol=3e-6)


@needs_kernel
@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from([16, 48]), st.integers(1, 2), st.integers(2, 9), st.integers(2, 9), st.sampled_from([1, 30]),
    st.booleans(),
)  # fmt: skip
def test_a_gru_between_its_convolutions(
    channels: int, count: int, height: int, width: int, scale: int, last: bool
) -> None:
    form = torch.channels_last if last else torch.contiguous_format
    layout = partial(torch.Tensor.contiguous, memory_format=form)
    gates, shares = (layout(scale * drawn(seed, count, 3 * channels, height, width)) for seed in (0, 1))
    gates, candidate = (layout(part) for part in gates.split([2 * channels, channels], dim=1))
    of_gates, of_candidate = shares.split([2 * channels, channels], dim=1)
    inputs, reset = (layout(drawn(seed, count, 2 * channels, height, width)) for seed in (2, 3))
    hidden, r_before = inputs[:, :channels], gates[:, channels:].clone()
    z, r = (gates.double() + of_gates).sigmoid().chunk(2, dim=1)
    exact = (1 - z) * hidden + z * (candidate.double() + of_candidate).tanh()
    exact_reset = r * hidden
    made = reset_hidden(gates, of_gates, hidden, out=reset[:, :channels])
    update_hidden(hidden, made, candidate, of_candidate)
    torch.testing.assert_close(made.double(), z, rtol=0, atol=3e-7)
    torch.testing.assert_close(reset[:, :channels].double(), exact_reset, rtol=0, atol=1e-6)
    torch.testing.assert_close(inputs[:, :channels].double(), exact, rtol=0, atol=1e-6)
    assert gates[:, channels:].equal(r_before) == last, "the compiled code writes z alone"


@pytest.mark.skipif(
    library() is None or OFF in os.environ, reason="needs a CPU with AVX2, a C compiler and no choice made"
)
def test_all_of_this_without_avx512() -> None:
    """On CPUs with AVX-512, whose library the tests above used."""
    files = [__file__, *(str(Path(__file__).with_name(f"test_vector_{part}.py")) for part in ("layers", "video"))]
    pass_again(*files, "--noconftest", **{OFF: "avx2"})
