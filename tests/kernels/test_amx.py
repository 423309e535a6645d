"""Sliced products are float32 products: as near to float64 as PyTorch's, row by row the same whatever rides along."""

from __future__ import annotations

import copy
import logging
import shutil

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nova_bench.kernels.amx.layers import SlicedConv2d, SlicedLinear, SlicedStem
from nova_bench.kernels.amx.library import OFF, library
from nova_bench.kernels.amx.video import sliced_video
from nova_bench.kernels.layers import attend, attention, speed_up
from nova_bench.networks import correlation
from tests.kernels import amx_in_c
from tests.kernels.again import pass_again
from tests.kernels.float64 import drawn, error

needs_kernel = pytest.mark.skipif(library() is None, reason="needs a CPU with AMX and a C compiler")
SIZES = st.integers(48, 200)


def with_weights(layer: nn.Module, seed: int) -> nn.Module:
    for index, parameter in enumerate(layer.parameters()):
        parameter.data = drawn(seed + index, *parameter.shape) / parameter[0].numel() ** 0.5
    return layer.requires_grad_(False)


@needs_kernel
@settings(max_examples=30, deadline=None)
@given(rows=st.integers(1, 70), inputs=SIZES, outputs=SIZES, bias=st.booleans(), exponent=st.integers(-20, 20))
def test_linear(rows: int, inputs: int, outputs: int, bias: bool, exponent: int) -> None:
    layer = with_weights(nn.Linear(inputs, outputs, bias), 1)
    x = drawn(0, rows, inputs) * 2.0**exponent
    result = SlicedLinear(layer)(x)
    assert result.shape == (rows, outputs)
    assert error(result, layer, x) < 5e-7


@needs_kernel
@settings(max_examples=30, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), SIZES, SIZES, st.integers(5, 9), st.integers(5, 9)),
    kernel=st.sampled_from([(1, 1), (3, 3), (1, 5), (5, 1), (3, 1)]),
    padded=st.booleans(),
    channels_last=st.booleans(),
)
def test_convolution(shape: tuple[int, ...], kernel: tuple[int, int], padded: bool, channels_last: bool) -> None:
    count, inputs, outputs, height, width = shape
    padding = (kernel[0] // 2, kernel[1] // 2) if padded else (0, 0)
    layer = with_weights(nn.Conv2d(inputs, outputs, kernel, padding=padding), 1)
    x = drawn(0, count, inputs, height, width)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    result = SlicedConv2d(layer)(x)
    assert result.shape == layer(x).shape
    assert error(result, layer, x) < 1e-6


@needs_kernel
@given(
    count=st.integers(1, 3),
    inputs=st.integers(1, 3),
    outputs=st.integers(48, 70),
    kernel=st.tuples(st.integers(6, 8), st.integers(6, 8)),
    stride=st.integers(2, 4),
    size=st.tuples(st.integers(8, 21), st.integers(8, 21)),
    padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
)
def test_stems(
    count: int,
    inputs: int,
    outputs: int,
    kernel: tuple[int, int],
    stride: int,
    size: tuple[int, int],
    padding: tuple[int, int],
) -> None:
    layer = with_weights(nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding), 1)
    x = drawn(0, count, inputs, *size)
    result = SlicedStem(layer)(x)
    assert result.shape == layer(x).shape
    assert error(result, layer, x) < 1e-6


@needs_kernel
def test_as_exact_as_pytorch_on_what_transformers_have() -> None:
    layer, x = with_weights(nn.Linear(1024, 256), 1), drawn(0, 257, 1024)
    x[:, 7] *= 40  # a channel that stands out, as in large transformers
    assert error(SlicedLinear(layer)(x), layer, x) < 10 * error(layer(x), layer, x)


@needs_kernel
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("tokens", [1, 16, 37, 257, 450])
def test_attention(layers: int, tokens: int) -> None:
    heads, x = 2, drawn(0, 3, tokens, 64)
    plain = [with_weights(nn.Linear(64, 3 * heads * 64 // layers), seed) for seed in range(layers)]
    exact = attention([copy.deepcopy(layer).double() for layer in plain], x.double(), heads)
    sliced = [SlicedLinear(layer) for layer in plain]
    result = attention(sliced, x, heads)
    assert (result - exact).abs().max() < 3e-6 * exact.abs().max()
    # A token's result does not depend on what else is asked for, nor on the other images.
    assert torch.equal(attention(sliced, x[1:], heads, wanted=1), result[1:, :1])


@needs_kernel
@pytest.mark.parametrize("channels", [16, 32, 48, 64])
@pytest.mark.parametrize("queries", [1, 21, 70])
def test_heads_of_any_size_and_place(channels: int, queries: int) -> None:
    joined = drawn(0, 2, 70, 3, 3, channels)
    query, key, value = joined.permute(2, 0, 3, 1, 4)
    query = query[:, :, 70 - queries :]
    exact = attend(query.double(), key.double(), value.double(), fast=False)
    result = attend(query, key, value, fast=True)
    assert result.shape == (2, queries, 3 * channels)
    assert (result - exact).abs().max() < 3e-6 * exact.abs().max()


@needs_kernel
def test_attention_that_picks_one_token() -> None:
    scores = 200 * torch.eye(40, 64)  # each query finds its own key, by far
    layer = nn.Linear(64, 3 * 64, bias=False)
    layer.weight.data = torch.eye(64).repeat(3, 1)
    torch.testing.assert_close(attention([SlicedLinear(layer)], scores[None], 1)[0], scores)


@needs_kernel
def test_attention_to_what_is_not_finite() -> None:
    layer, x = SlicedLinear(with_weights(nn.Linear(64, 3 * 64), 1)), drawn(0, 2, 20, 64)
    x[0, 3, 5] = float("nan")
    result = attention([layer], x, 1)
    assert not result[0].isfinite().any()
    assert result[1].isfinite().all()


@needs_kernel
@pytest.mark.parametrize("activation", [nn.GELU, nn.SiLU])
def test_activations(activation: type[nn.Module]) -> None:
    layer = with_weights(nn.Linear(64, 64), 1)
    layer.weight.data = torch.eye(64)
    x = torch.linspace(-20, 20, 64 * 50).view(50, 64)
    network = nn.Sequential(layer, activation())
    expected = network.double()(x.double())
    torch.testing.assert_close(speed_up(network.float(), "cpu")(x).double(), expected, rtol=2e-5, atol=2e-6)
    assert isinstance(network[1], nn.Identity)


@needs_kernel
@pytest.mark.parametrize("activation", [nn.GELU(), nn.SiLU()])
def test_huge_values_are_kept_or_become_nothing(activation: nn.Module) -> None:
    layer = nn.Linear(64, 64, bias=False).requires_grad_(False)
    layer.weight.data = torch.eye(64)
    sliced, x = SlicedLinear(layer), torch.zeros(4, 64)
    assert sliced.fuse(activation)
    x[:, 0] = torch.tensor([100.0, 1e10, 1e20, 1e30])
    torch.testing.assert_close(sliced(x), x, rtol=1e-6, atol=0)
    torch.testing.assert_close(sliced(-x), torch.zeros_like(x), rtol=0, atol=1e-11)


@needs_kernel
@pytest.mark.parametrize("threads", [1, 2])
def test_a_row_does_not_depend_on_the_others(threads: int) -> None:
    layer, x = SlicedLinear(with_weights(nn.Linear(100, 77), 1)), drawn(0, 65, 100)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert torch.equal(layer(x)[40:43], layer(x[40:43]))
    finally:
        torch.set_num_threads(before)


@needs_kernel
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_stays_so(value: float) -> None:
    layer, x = SlicedLinear(with_weights(nn.Linear(64, 64), 1)), drawn(0, 3, 64)
    x[1, 5] = value
    finite = layer(x).isfinite()
    assert finite[[0, 2]].all()
    assert not finite[1].any()


@needs_kernel
def test_other_types_are_refused() -> None:
    with pytest.raises(TypeError, match="float64"):
        SlicedLinear(with_weights(nn.Linear(64, 64), 1))(torch.zeros(2, 64, dtype=torch.float64))


@needs_kernel
def test_no_rows_at_all() -> None:
    """As for an image without proposals."""
    layer = with_weights(nn.Linear(64, 48), 1)
    assert SlicedLinear(layer)(torch.zeros(0, 64)).shape == (0, 48)


@needs_kernel
def test_zeros() -> None:
    layer = with_weights(nn.Linear(64, 64), 1)
    assert torch.equal(SlicedLinear(layer)(torch.zeros(2, 64)), layer.bias.expand(2, -1))


@needs_kernel
def test_large_layers_are_replaced_and_others_left() -> None:
    network = nn.Sequential(
        nn.Linear(64, 64), nn.Linear(64, 8), nn.Conv2d(128, 128, 3, padding=1), nn.Conv2d(64, 64, 3, stride=2)
    )
    kinds = [type(layer) for layer in speed_up(network, "cpu")]
    assert kinds == [SlicedLinear, nn.Linear, SlicedConv2d, nn.Conv2d]


@needs_kernel
@settings(max_examples=30, deadline=None)
@given(
    count=st.integers(1, 2),
    height=st.integers(16, 24),
    width=st.integers(16, 24),
    radius=st.integers(3, 4),
    reach=st.sampled_from([0, 3, 60]),
)
def test_samples_of_correlations(count: int, height: int, width: int, radius: int, reach: float) -> None:
    first, second = drawn(0, count, 8, height, width), drawn(1, count, 8, height, width)
    levels = correlation.all_levels(first, second)
    grid = correlation.position_grid(count, height, width, first.device)
    positions = grid + reach * drawn(2, *grid.shape)
    samples = correlation.lookup(levels, positions, radius)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(correlation, "library", lambda: None)
        plain = correlation.lookup(levels, positions, radius)
    torch.testing.assert_close(samples, plain, rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(library() is not None, reason="this CPU has AMX")
@pytest.mark.parametrize(
    "places",
    [
        pytest.param(["tests/kernels", "tests/networks", "tests/nova"], id="networks"),
        pytest.param(["tests/parity", "tests/scorers"], id="scorers"),
    ],
)
def test_all_of_this_without_amx(places: list[str]) -> None:
    """And what uses it. On CPUs with AVX-512 tiles can be plain C."""
    if amx_in_c.SOURCES.load({}, {}) is None:
        pytest.skip("needs a CPU with AVX-512 and a C compiler")
    pass_again(*places, "-m", "not slow", "-k", "not all_of_this", "-p", "tests.kernels.amx_in_c")


def test_can_be_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OFF, "0")
    assert library.__wrapped__() is None


@needs_kernel
def test_without_a_working_compiler_pytorch_does_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CC", shutil.which("false"))
    with caplog.at_level(logging.INFO):
        assert library.__wrapped__() is None
    assert "AMX is not used" in caplog.text
    assert not list(tmp_path.rglob("*.so"))


@needs_kernel
@settings(max_examples=30, deadline=None)
@given(
    channels=st.tuples(st.integers(16, 140), st.integers(16, 70)),
    size=st.tuples(st.integers(1, 4), st.integers(1, 11), st.integers(1, 9)),
    frames=st.sampled_from([1, 3]),
    add=st.booleans(),
    rows=st.sampled_from([1, 10**9]),
)
def test_convolution_of_videos(
    channels: tuple[int, int], size: tuple[int, int, int], frames: int, add: bool, rows: int
) -> None:
    layer = with_weights(nn.Conv3d(*channels, (frames, 3, 3), padding=(0, 1, 1)), 1)
    memory = torch.channels_last_3d
    x = drawn(0, 1, channels[0], size[0] + frames - 1, *size[1:]).contiguous(memory_format=memory)
    before = drawn(3, 1, channels[1], *size).contiguous(memory_format=memory)
    convolution = sliced_video(layer)
    assert convolution is not None
    convolution.band_bytes = rows
    out = before.clone()
    convolution(x, out, add=add)
    exact = layer.double()(x.double()) + (before if add else 0)
    assert (out - exact).norm() < 1e-6 * exact.norm()


@needs_kernel
def test_a_video_that_is_not_finite() -> None:
    convolution = sliced_video(with_weights(nn.Conv3d(16, 16, 3, padding=(0, 1, 1)), 1))
    assert convolution is not None
    x = drawn(0, 1, 16, 3, 4, 4).contiguous(memory_format=torch.channels_last_3d)
    x[0, 3, 1, 2, 2] = float("nan")
    out = torch.zeros(1, 16, 1, 4, 4).contiguous(memory_format=torch.channels_last_3d)
    convolution(x, out, add=False)
    assert not out.isfinite().any()
