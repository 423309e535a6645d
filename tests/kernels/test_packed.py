"""Packed products are float32 products, each row by itself; where the operator isn't fit for use, layers stay plain."""

from __future__ import annotations

import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from nova_bench.kernels import layers, packed, products
from nova_bench.kernels.layers import attention, speed_up
from nova_bench.kernels.packed import OFF, PackedLinear, usable
from tests.kernels.float64 import drawn, error_of_sums, with_weights

needs_operator = pytest.mark.skipif(not usable(), reason="this CPU or torch has no fast packed products")
SIZES = st.integers(1, 300)


@pytest.fixture
def without_compiled_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "library", lambda: None)
    monkeypatch.setattr(layers, "vector_linear", lambda layer: None)
    monkeypatch.setattr(products, "library", lambda: None)
    monkeypatch.setattr(products, "simd", lambda: None)


@needs_operator
@settings(max_examples=30, deadline=None)
@given(rows=SIZES, inputs=SIZES, outputs=SIZES, bias=st.booleans(), exponent=st.integers(-20, 20))
def test_as_exact_as_the_plain_layer(rows: int, inputs: int, outputs: int, bias: bool, exponent: int) -> None:
    layer = with_weights(nn.Linear(inputs, outputs, bias))
    x = drawn(0, rows, inputs) * 2.0**exponent
    assert error_of_sums(PackedLinear(layer)(x), layer, x) <= 1e-6


@needs_operator
@pytest.mark.parametrize("shape", [(0, 160), (160,), (2, 3, 160), (3, 1, 5, 160)])
def test_any_leading_dimensions(shape: tuple[int, ...]) -> None:
    layer, x = with_weights(nn.Linear(160, 130)), drawn(0, *shape)
    torch.testing.assert_close(PackedLinear(layer)(x), layer(x))


@needs_operator
def test_memory_in_another_order() -> None:
    layer, x = with_weights(nn.Linear(160, 130)), drawn(0, 160, 7).t()
    torch.testing.assert_close(PackedLinear(layer)(x), layer(x))
    wide = drawn(0, 7, 320)[:, ::2]
    torch.testing.assert_close(PackedLinear(layer)(wide), layer(wide))


@needs_operator
@pytest.mark.parametrize("activation", [nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.SiLU(inplace=True)])
def test_activations_become_part_of_the_product(activation: nn.Module, without_compiled_layers: None) -> None:
    layer = with_weights(nn.Linear(128, 128))
    layer.weight.data = torch.eye(128)
    x = torch.linspace(-20, 20, 128 * 50).view(50, 128)
    expected = activation(layer(x).double())
    network = speed_up(nn.Sequential(layer, activation), "cpu")
    assert isinstance(network[1], nn.Identity)
    torch.testing.assert_close(network(x).double(), expected, rtol=2e-5, atol=2e-6)


@needs_operator
def test_other_activations_stay(without_compiled_layers: None) -> None:
    network = nn.Sequential(with_weights(nn.Linear(128, 128)), nn.Tanh())
    x = drawn(0, 5, 128)
    expected = network(x)
    torch.testing.assert_close(speed_up(network, "cpu")(x), expected)
    assert isinstance(network[1], nn.Tanh)


@needs_operator
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("rows", [2, 3, 8, 30, 200])
def test_a_row_does_not_depend_on_the_others(threads: int, rows: int) -> None:
    layer, x = PackedLinear(with_weights(nn.Linear(768, 512))), drawn(0, 400, 768)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert torch.equal(layer(x)[100 : 100 + rows], layer(x[100 : 100 + rows]))
    finally:
        torch.set_num_threads(before)


@needs_operator
def test_large_linear_layers_are_replaced_and_others_left(without_compiled_layers: None) -> None:
    class Own(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return x

    network = nn.Sequential(
        nn.Linear(128, 128), nn.Linear(128, 8), nn.Linear(128, 128).double(), Own(128, 128), nn.Conv2d(64, 64, 3)
    )
    kinds = [type(layer) for layer in speed_up(network, "cpu")]
    assert kinds == [PackedLinear, nn.Linear, nn.Linear, Own, nn.Conv2d]


@needs_operator
def test_attention(without_compiled_layers: None) -> None:
    x, plain = drawn(0, 3, 37, 128), [with_weights(nn.Linear(128, 128)) for _ in range(3)]
    packed_layers = [PackedLinear(layer) for layer in plain]
    torch.testing.assert_close(attention(packed_layers, x, 2, wanted=5), attention(plain, x, 2, wanted=5))


@needs_operator
def test_weights_are_held_once(without_compiled_layers: None) -> None:
    network = speed_up(nn.Sequential(nn.Linear(256, 256)), "cpu")
    assert not list(network.parameters())
    assert network[0].weight.is_mkldnn


@needs_operator
def test_other_types_are_refused() -> None:
    with pytest.raises(TypeError, match="float64"):
        PackedLinear(with_weights(nn.Linear(64, 64)))(torch.zeros(2, 64, dtype=torch.float64))


def _absent(*_: object) -> Tensor:
    return torch.ops.mkldnn.no_such_operator()


def _wrong(x: Tensor, weight: Tensor, bias: Tensor, activation: str, algorithm: str) -> Tensor:
    return torch.zeros(len(x), len(bias))


@pytest.mark.parametrize("operator", [_absent, _wrong])
def test_an_operator_that_is_absent_or_wrong_is_not_used(
    operator: object, without_compiled_layers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "product", operator)
    assert not usable.__wrapped__()


@needs_operator
def test_a_slow_operator_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = packed.product

    def slow(*arguments: object) -> Tensor:
        time.sleep(0.02)
        return fast(*arguments)

    monkeypatch.setattr(packed, "product", slow)
    assert not usable.__wrapped__()


def test_can_be_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OFF, "0")
    assert not usable.__wrapped__()


@pytest.mark.parametrize(("works", "kind", "name"), [(True, PackedLinear, "oneDNN"), (False, nn.Linear, "PyTorch")])
def test_the_manifest_names_what_networks_use(
    works: bool, kind: type[nn.Module], name: str, without_compiled_layers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if works and not usable():
        pytest.skip("no packed products here")
    monkeypatch.setattr(layers, "usable", lambda: works)
    monkeypatch.setattr(packed, "usable", lambda: works)
    assert isinstance(speed_up(nn.Sequential(nn.Linear(128, 128)), "cpu")[0], kind)
    assert products.describe_products("cpu").startswith(name)
    assert products.describe_products("cuda") == "PyTorch"
