"""Linear layers, attention and layer norm in compiled code equal PyTorch's own up to rounding."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from nova_bench.kernels import layers
from nova_bench.kernels.layers import attend, attention, speed_up
from nova_bench.kernels.simd.attention import takes_heads, vector_attention
from nova_bench.kernels.simd.library import library
from nova_bench.kernels.simd.linear import VectorLinear, dot_products, vector_linear
from nova_bench.kernels.simd.norm import layer_norm
from nova_bench.kernels.simd.patches import VectorPatches, vector_patches
from tests.kernels.float64 import assert_equals_plain, drawn, error_of_sums, with_weights

pytestmark = pytest.mark.skipif(library() is None, reason="needs a CPU with AVX2 and a C compiler")
SIZES = st.integers(1, 600)


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@settings(max_examples=40, deadline=None)
@given(rows=SIZES, inputs=SIZES, outputs=SIZES, bias=st.booleans(), exponent=st.integers(-20, 20))
def test_as_exact_as_the_plain_layer(rows: int, inputs: int, outputs: int, bias: bool, exponent: int) -> None:
    layer = with_weights(nn.Linear(inputs, outputs, bias))
    x = drawn(0, rows, inputs) * 2.0**exponent
    assert error_of_sums(VectorLinear(layer)(x), layer, x) <= 1e-6


@pytest.mark.parametrize("shape", [(0, 160), (160,), (2, 3, 160), (3, 1, 5, 160)])
def test_any_leading_dimensions(shape: tuple[int, ...], threads: int) -> None:
    layer, x = with_weights(nn.Linear(160, 130)), drawn(0, *shape)
    torch.testing.assert_close(VectorLinear(layer)(x), layer(x))


def test_memory_in_another_order() -> None:
    layer = with_weights(nn.Linear(160, 130))
    for x in (drawn(0, 160, 7).t(), drawn(0, 7, 320)[:, ::2], drawn(0, 3, 1, 160).expand(3, 4, 160)):
        torch.testing.assert_close(VectorLinear(layer)(x), layer(x))


@pytest.mark.parametrize("rows", [1, 2, 3, 8, 14, 30, 200])
def test_a_row_does_not_depend_on_the_others(threads: int, rows: int) -> None:
    layer, x = VectorLinear(with_weights(nn.Linear(768, 530))), drawn(0, 400, 768)
    assert torch.equal(layer(x)[100 : 100 + rows], layer(x[100 : 100 + rows]))


def test_a_part_of_the_outputs(threads: int) -> None:
    layer, x = VectorLinear(with_weights(nn.Linear(768, 530))), drawn(0, 20, 768)
    for start, stop in ((0, 530), (0, 1), (layer.panel, 3 * layer.panel), (2 * layer.panel, 530)):
        assert torch.equal(layer.part(x, start, stop), layer(x)[:, start:stop])


@pytest.mark.parametrize("activation", [nn.GELU(), nn.SiLU()])
def test_activations_are_taken_over(activation: nn.Module) -> None:
    plain = nn.Sequential(nn.Linear(64, 64, bias=False), activation)
    plain[0].weight.data = torch.eye(64)
    x = torch.cat([torch.linspace(-60, 60, 64 * 500), drawn(0, 64 * 20)]).view(-1, 64)
    expected = activation(x.double())
    network = nn.Sequential(VectorLinear(plain[0]), nn.Identity())
    assert network[0].fuse(activation)
    result = network(x).double()
    assert (result - expected).abs().max() < 2e-6  # of up to 60
    small = x.abs() < 5
    assert (result - expected)[small].abs().max() < 8e-7  # two units in the last place
    assert not VectorLinear(plain[0]).fuse(nn.GELU(approximate="tanh"))


@pytest.mark.parametrize("activation", [nn.GELU(), nn.SiLU()])
def test_huge_values_are_kept_or_become_nothing(activation: nn.Module) -> None:
    plain = nn.Linear(64, 64, bias=False).requires_grad_(False)
    plain.weight.data = torch.eye(64)
    layer, x = VectorLinear(plain), torch.zeros(4, 64)
    layer.fuse(activation)
    x[:, 0] = torch.tensor([100.0, 1e10, 1e30, 3e38])
    assert torch.equal(layer(x), x)
    torch.testing.assert_close(layer(-x), torch.zeros_like(x), rtol=0, atol=1e-11)


@pytest.mark.parametrize("activation", [nn.GELU(), nn.SiLU()])
def test_numbers_that_are_not_finite_remain_so(activation: nn.Module) -> None:
    layer = VectorLinear(nn.Linear(64, 64, bias=False).requires_grad_(False))
    layer.fuse(activation)
    x = drawn(0, 30, 64)
    x[7, 3] = float("nan")
    bad = layer(x).isnan()
    assert bad[7].all()
    assert not bad[:7].any()
    assert not bad[8:].any()


def test_what_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    class Own(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return x

    monkeypatch.setattr(layers, "library", lambda: None)  # of AMX, which comes first
    monkeypatch.setattr(layers, "usable", lambda: False)
    network = speed_up(
        nn.Sequential(
            *(nn.Linear(128, 128), nn.GELU(), nn.Linear(128, 8), nn.Linear(128, 128).double(), Own(128, 128)),
            *(nn.Conv2d(64, 64, 3), nn.Conv2d(3, 64, 16, 16)),
        ),
        "cpu",
    )
    kinds = [type(layer) for layer in network]
    assert kinds == [VectorLinear, nn.Identity, nn.Linear, nn.Linear, Own, nn.Conv2d, VectorPatches]
    assert not list(network[0].parameters())
    assert vector_linear(nn.Conv2d(64, 64, 1)) is None


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 3), st.integers(0, 40), st.integers(1, 40), st.integers(1, 300), st.booleans())
def test_dot_products_of_any_size(count: int, rows: int, others: int, size: int, turned: bool) -> None:
    first, second = (
        drawn(seed, count, size, number).transpose(1, 2) if turned else drawn(seed, count, number, size)
        for seed, number in enumerate((rows, others))
    )
    right = first.double() @ second.double().transpose(1, 2)
    torch.testing.assert_close(dot_products(first, second).double(), right, rtol=0, atol=5e-6 * size**0.5)


def test_other_types_are_refused() -> None:
    with pytest.raises(TypeError, match="float64"):
        VectorLinear(with_weights(nn.Linear(64, 64)))(torch.zeros(2, 64, dtype=torch.float64))


def cutting(inputs: int, outputs: int, size: tuple[int, int], bias: bool = True) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, outputs, size, size, bias=bias)
    layer.weight.data = drawn(1, *layer.weight.shape) / layer.weight[0].numel() ** 0.5
    return layer.requires_grad_(False)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 4), st.integers(64, 150), st.tuples(st.integers(1, 33), st.integers(2, 33)), st.integers(0, 3),
    st.integers(0, 70), st.integers(0, 70), st.booleans(), st.booleans(),
)  # fmt: skip
def test_patches_of_any_size(
    inputs: int, outputs: int, size: tuple[int, int], count: int, below: int, beside: int, bias: bool, last: bool
) -> None:
    layer, x = cutting(inputs, outputs, size, bias), drawn(0, count, inputs, size[0] + below, size[1] + beside)
    made = vector_patches(layer)
    if inputs * size[0] * size[1] < 64:
        assert made is None
        return
    assert made is not None
    assert_equals_plain(made, layer, x, last, 2e-6)


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("shape", [(1, 100, 7, 9), (3, 64, 1, 33), (2, 130, 20, 1), (0, 64, 3, 3)])
def test_pixels_are_the_smallest_patches(shape: tuple[int, ...], last: bool) -> None:
    layer = cutting(shape[1], 72, (1, 1))
    made = vector_patches(layer)
    assert made is not None
    assert_equals_plain(made, layer, drawn(0, *shape), last, 2e-6)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(3, 64, 16, 8),
        nn.Conv2d(3, 64, 16, 16, padding=1),
        nn.Conv2d(3, 64, 16, 16, padding=8, padding_mode="reflect"),
        nn.Conv2d(3, 64, 16, 16, dilation=2),
        nn.Conv2d(128, 64, 16, 16, groups=2),
        nn.Conv2d(64, 64, 1, 2),
        nn.Conv2d(3, 63, 16, 16),
        nn.Conv2d(3, 64, 16, 16).double(),
        nn.Conv3d(3, 64, 16, 16),
    ],
)
def test_other_convolutions_are_left_alone(layer: nn.Module) -> None:
    assert vector_patches(layer) is None


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("wanted", [1, 3])
def test_queries_that_are_not_wanted_change_nothing(separate: bool, wanted: int) -> None:
    joint, x = with_weights(nn.Linear(128, 3 * 128)), drawn(0, 2, 9, 128)
    projections = [joint]
    if separate:
        projections = [nn.Linear(128, 128) for _ in range(3)]
        for layer, weight, bias in zip(projections, joint.weight.chunk(3), joint.bias.chunk(3), strict=True):
            layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)
    expected = attention([joint], x, 2)[:, :wanted]
    torch.testing.assert_close(attention(projections, x, 2, wanted), expected)
    compiled = [VectorLinear(layer.requires_grad_(False)) for layer in projections]
    torch.testing.assert_close(attention(compiled, x, 2, wanted), expected, rtol=0, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 3), st.integers(1, 3), st.integers(1, 60), st.integers(1, 1200),
    st.sampled_from([16, 32, 48, 64, 80, 128]), st.booleans(),
)  # fmt: skip
def test_attention_of_any_size(images: int, heads: int, queries: int, tokens: int, channels: int, joined: bool) -> None:
    parts = drawn(0, 3, images, heads, max(tokens, queries), channels) * 1.5
    if joined:  # as one projection leaves them
        parts = parts.permute(1, 3, 0, 2, 4).contiguous().permute(2, 0, 3, 1, 4)
    query, key, value = parts[0][:, :, :queries], parts[1][:, :, :tokens], parts[2][:, :, :tokens]
    result = vector_attention(query, key, value)
    expected = F.scaled_dot_product_attention(query.double(), key.double(), value.double()).transpose(1, 2).flatten(2)
    torch.testing.assert_close(result.double(), expected, rtol=0, atol=1e-5)


def test_attention_with_large_scores_and_any_threads(threads: int) -> None:
    query, key, value = drawn(0, 3, 2, 3, 600, 32)
    expected = F.scaled_dot_product_attention(200 * query.double(), key.double(), value.double())
    result = vector_attention(200 * query, key, value)
    torch.testing.assert_close(result.double(), expected.transpose(1, 2).flatten(2), rtol=0, atol=2e-3)
    alone = vector_attention(200 * query[1:, :, 40:60], key[1:], value[1:])
    assert torch.equal(alone, result[1:, 40:60])


def test_attention_sees_nothing_of_an_earlier_call() -> None:
    query, key, value = drawn(0, 3, 1, 1, 40, 32)
    for tokens in (1, 10, 16, 17, 33):
        vector_attention(query, 1000 * key, value)  # leaves large keys in the scratch memory
        expected = F.scaled_dot_product_attention(query, key[:, :, :tokens], value[:, :, :tokens])
        result = vector_attention(query, key[:, :, :tokens], value[:, :, :tokens])
        torch.testing.assert_close(result, expected.transpose(1, 2).flatten(2), rtol=0, atol=1e-5)


def test_attention_that_the_compiled_code_does_not_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nova_bench.kernels.layers.library", lambda: None)  # AMX would take the last
    for shape in [(1, 2, 40, 24), (1, 2, 40, 144), (1, 2, 4, 64)]:
        parts = drawn(0, 3, *shape)
        assert not takes_heads(parts[0])
        expected = F.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2)
        assert torch.equal(attend(*parts, fast=True), expected)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 50), st.integers(1, 40), st.floats(-100, 100), st.booleans())
def test_layer_norm(rows: int, sixteens: int, mean: float, affine: bool) -> None:
    norm = nn.LayerNorm(16 * sixteens, elementwise_affine=affine).requires_grad_(False)
    for index, parameter in enumerate(norm.parameters(), start=1):
        parameter.data = drawn(index, *parameter.shape)
    x, added = drawn(0, 2, rows, 16 * sixteens)
    x = x + mean
    expected = added.double() + norm.double()(x.double())
    result = layer_norm(norm.float(), x, added)
    torch.testing.assert_close(result.double(), expected, rtol=0, atol=1e-4)


def test_layer_norm_of_what_the_compiled_code_does_not_take() -> None:
    for x in (drawn(0, 3, 20), drawn(0, 3, 32).double(), drawn(0, 32, 3).t()):
        norm = nn.LayerNorm(x.shape[-1], dtype=x.dtype).requires_grad_(False)
        assert torch.equal(layer_norm(norm, x, x), x + norm(x))
