"""Sizes and borders of what the networks see."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_bench.networks.frames import clip_input, dino_input, dino_size, musiq_input, padded, padding, to_float

SIDES = st.integers(8, 1100)


@settings(max_examples=100, deadline=None)
@given(height=SIDES, width=SIDES)
def test_the_shorter_side_becomes_224_and_the_longer_is_rounded_down(height: int, width: int) -> None:
    rows, columns = dino_size(height, width)
    assert min(rows, columns) == 224
    exact = 224 * max(height, width) / min(height, width)  # as torchvision computes it
    assert max(rows, columns) == int(exact)


@pytest.mark.parametrize(("height", "width"), [(10, 17), (33, 20), (24, 24)])
def test_clip_sees_the_centre_square(height: int, width: int) -> None:
    frames = torch.full((1, 3, height, width), 255.0)
    images = clip_input(frames)
    assert images.shape == (1, 3, 224, 224)
    expected = (1 - torch.tensor([0.48145466, 0.4578275, 0.40821073])) / torch.tensor(
        [0.26862954, 0.26130258, 0.27577711]
    )
    assert torch.allclose(images, expected.view(1, 3, 1, 1).expand_as(images), atol=1e-6)


def test_bicubic_overshoot_is_kept() -> None:
    frames = torch.zeros(1, 3, 16, 16)
    frames[..., 8:] = 255.0
    levels = clip_input(frames)[0, 0] * 0.26862954 + 0.48145466
    assert levels.max() > 1.01
    assert levels.min() < -0.01


def test_dino_sees_the_whole_frame() -> None:
    assert dino_input(torch.zeros(2, 3, 10, 17)).shape == (2, 3, 224, 380)


@pytest.mark.parametrize(
    ("size", "expected"), [((360, 640), (288, 512)), ((512, 100), (512, 100)), ((1000, 333), (512, 170))]
)
def test_musiq_sees_at_most_512(size: tuple[int, int], expected: tuple[int, int]) -> None:
    images = musiq_input(torch.full((1, 3, *size), 255.0))
    assert images.shape[-2:] == expected
    assert torch.allclose(images, torch.ones(()))


@settings(max_examples=60, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), multiple=st.sampled_from([8, 16]))
def test_padding_repeats_the_border_and_can_be_cut_off(height: int, width: int, multiple: int) -> None:
    frames = torch.randn(1, 3, height, width)
    larger = padded(frames, multiple)
    assert larger.shape[-2] % multiple == larger.shape[-1] % multiple == 0
    assert larger.shape[-2] - height < multiple
    left, right, top, bottom = padding(height, width, multiple)
    assert 0 <= right - left <= 1
    assert 0 <= bottom - top <= 1
    assert torch.equal(larger[..., top : top + height, left : left + width], frames)
    assert torch.equal(larger[..., 0, 0], frames[..., 0, 0])


def test_bytes_become_floats_in_channels_first() -> None:
    frames = torch.randint(0, 256, (2, 4, 5, 3), dtype=torch.uint8)
    floats = to_float(frames, "cpu")
    assert floats.shape == (2, 3, 4, 5)
    assert floats.dtype == torch.float32
    assert torch.equal(floats.permute(0, 2, 3, 1).to(torch.uint8), frames)
