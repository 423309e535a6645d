"""The decoder's fast arithmetic against the plain operators that define it, whole and cut into small parts."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from nova_bench.nova.vae import frames
from nova_bench.nova.vae.frames import Scratch, convolve, convolve_nearest, convolve_to_few, normalize

SIZES = st.tuples(st.integers(1, 9), st.integers(1, 12), st.integers(1, 7))
CHANNELS = st.sampled_from([2, 6, 16])
PART_BYTES = st.sampled_from([1, 200, 3000, 2**23])
DTYPES = st.sampled_from([torch.float32, torch.float64])


@pytest.fixture(autouse=True)
def restore_part_size(monkeypatch):
    monkeypatch.setattr(frames, "CPU_PART_BYTES", frames.CPU_PART_BYTES)


def video(channels: int, size: tuple[int, int, int], dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(1, channels, *size, dtype=dtype).contiguous(memory_format=torch.channels_last_3d)


def causal(x: torch.Tensor, front: int) -> torch.Tensor:
    return torch.cat([x[:, :, :1]] * front + [x], dim=2)


@settings(max_examples=60, deadline=None)
@given(SIZES, CHANNELS, CHANNELS, st.sampled_from([(3, 3, 3), (1, 1, 1), (1, 3, 3)]), PART_BYTES, DTYPES, st.booleans())
def test_convolve_is_a_causal_convolution(size, width_in, width_out, kernel, part_bytes, dtype, add):
    frames.CPU_PART_BYTES = part_bytes
    x = video(width_in, size, dtype)
    weight = torch.randn(width_out, width_in, *kernel, dtype=dtype)
    bias = torch.randn(width_out, dtype=dtype)
    padded = causal(x, kernel[0] - 1)
    expected = F.conv3d(padded, weight, bias, padding=(0, kernel[1] // 2, kernel[2] // 2))
    before = video(width_out, size, dtype)
    add_to = before.clone() if add else None
    out = convolve(padded, weight, bias, Scratch(), "hidden", add_to)
    torch.testing.assert_close(out, expected + before if add else expected, rtol=1e-4, atol=1e-4)
    assert out.is_contiguous(memory_format=torch.channels_last_3d)
    assert out is add_to or not add


@settings(max_examples=40, deadline=None)
@given(SIZES, CHANNELS, CHANNELS, PART_BYTES, DTYPES)
def test_convolve_nearest_is_upsampling_then_convolution(size, width_in, width_out, part_bytes, dtype):
    frames.CPU_PART_BYTES = part_bytes
    x = video(width_in, size, dtype)
    weight, bias = torch.randn(width_out, width_in, 1, 3, 3, dtype=dtype), torch.randn(width_out, dtype=dtype)
    expected = F.conv3d(F.interpolate(x, scale_factor=(1, 2, 2)), weight, bias, padding=(0, 1, 1))
    actual = convolve_nearest(x, weight, bias, Scratch(), "hidden")
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(SIZES, CHANNELS, st.integers(1, 4), PART_BYTES, DTYPES)
def test_convolve_to_few_is_a_causal_convolution(size, width_in, width_out, part_bytes, dtype):
    frames.CPU_PART_BYTES = part_bytes
    x = video(width_in, size, dtype)
    weight, bias = torch.randn(width_out, width_in, 3, 3, 3, dtype=dtype), torch.randn(width_out, dtype=dtype)
    expected = F.conv3d(causal(x, 2), weight, bias, padding=(0, 1, 1))
    actual = convolve_to_few(x, weight, bias)
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)
    assert actual.is_contiguous()


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 6), st.integers(3, 12), st.integers(3, 7)),
    st.sampled_from([8, 16]),
    st.integers(0, 2),
    st.booleans(),
    st.booleans(),
    PART_BYTES,
    st.floats(-5, 5),
)
def test_normalize_is_group_norm_then_silu(size, channels, front, per_frame, silu, part_bytes, offset):
    frames.CPU_PART_BYTES = part_bytes
    x = (video(channels, size) + offset).contiguous(memory_format=torch.channels_last_3d)
    norm = nn.GroupNorm(2, channels, eps=1e-6).requires_grad_(False)
    norm.weight.copy_(torch.randn(channels))
    norm.bias.copy_(torch.randn(channels))
    expected = norm(x[0].transpose(0, 1)).transpose(0, 1).unsqueeze(0) if per_frame else norm(x)
    expected = causal(F.silu(expected) if silu else expected, front)
    actual = normalize(x, norm, Scratch(), front, per_frame, silu)
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=2e-5)


def test_normalize_is_accurate_far_from_zero():
    """A mean of a hundred standard deviations must not drown the variance."""
    x = (video(8, (5, 40, 40)) + 100).contiguous(memory_format=torch.channels_last_3d)
    norm = nn.GroupNorm(4, 8, eps=1e-6).requires_grad_(False)
    expected = F.group_norm(x.double(), 4, eps=1e-6).float()
    torch.testing.assert_close(normalize(x, norm, Scratch(), silu=False), expected, rtol=0, atol=1e-4)


def test_areas_grow_and_swap():
    scratch, like = Scratch(), torch.empty(0)
    first = scratch.take("stream", like, 2, (1, 2, 2))
    first.fill_(1.0)
    assert scratch.take("stream", like, 2, (1, 2, 2)).data_ptr() == first.data_ptr()
    assert scratch.take("hidden", like, 2, (1, 2, 2)).data_ptr() != first.data_ptr()
    scratch.swap()
    assert scratch.take("hidden", like, 1, (1, 2, 2)).data_ptr() == first.data_ptr()
    assert scratch.worth_keeping
    assert scratch.take("hidden", like.double(), 1, (1, 2, 2)).dtype == torch.float64
    grown = scratch.take("hidden", like, 3, (4, 5, 6))
    assert grown.shape == (1, 3, 4, 5, 6)
    assert grown.is_contiguous(memory_format=torch.channels_last_3d)
