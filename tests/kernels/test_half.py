"""Convolutions in half precision are the rounded exact ones, with fast products of that precision or without."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from nova_bench.kernels import half

CASES = {"image": (F.conv2d, (2, 6, 9, 7), (5, 6, 3, 3)), "video": (F.conv3d, (1, 6, 4, 9, 7), (5, 6, 3, 3, 3))}


@pytest.fixture(params=[True, False], ids=["as this CPU", "without products"])
def products(request, monkeypatch) -> None:
    if not request.param:
        monkeypatch.setattr(half, "multiplies", lambda dtype: dtype == torch.float32)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("case", CASES)
def test_rounded_once(products, case, dtype) -> None:
    convolution, shape, kernel = CASES[case]
    x, weight, bias = (torch.randn(size).to(dtype) for size in (shape, kernel, kernel[:1]))
    exact = convolution(x.double(), weight.double(), bias.double(), 1, 1)
    found = half.convolve(convolution, x, weight, bias, 1, 1)
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), exact, rtol=torch.finfo(dtype).eps, atol=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_in_autocast_with_gradients(products, case) -> None:
    """Values and gradients as of the rounded operands; weights and their gradients stay float32."""
    convolution, shape, kernel = CASES[case]
    operands = [torch.randn(size, requires_grad=True) for size in (shape, kernel, kernel[:1])]
    rounded = [part.detach().bfloat16().double().requires_grad_() for part in operands]
    with torch.autocast("cpu", torch.bfloat16):
        found = half.convolve(convolution, *operands, 1, 1)
    assert found.dtype == torch.bfloat16
    exact = convolution(*rounded, 1, 1)
    torch.testing.assert_close(found.double(), exact, rtol=2**-8, atol=1e-4)
    direction = torch.randn_like(found)
    found.backward(direction)
    exact.backward(direction.double())
    for part, expected in zip(operands, rounded, strict=True):
        assert part.grad is not None
        assert part.grad.dtype == torch.float32
        torch.testing.assert_close(part.grad.double(), expected.grad, rtol=2**-7, atol=2**-5)


def test_float32_is_left_alone(products) -> None:
    x, weight = torch.randn(1, 6, 9, 7), torch.randn(5, 6, 3, 3)
    assert torch.equal(half.convolve(F.conv2d, x, weight, None), F.conv2d(x, weight))
