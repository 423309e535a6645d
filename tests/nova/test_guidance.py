from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_bench.nova import InputError
from nova_bench.nova.guidance import Guidance, autoregressive_schedule


@given(tokens=st.integers(1, 5000), steps=st.integers(1, 300))
def test_schedule_predicts_every_token_once(tokens, steps):
    counts = autoregressive_schedule(tokens, steps)
    assert len(counts) == steps
    assert sum(counts) == tokens
    assert min(counts) >= 0


def test_schedule_of_the_paper():
    counts = autoregressive_schedule(1440, 128)
    assert counts[:8] == [0, 0, 1, 1, 1, 1, 1, 2]
    assert max(counts) == counts[-1] == 18


@given(st.data())
@settings(deadline=None, max_examples=30)
def test_guidance_on_predicted_tokens_equals_guidance_on_whole_frames(data):
    """Unpredicted tokens hold the same value in every copy; leaving them out must change nothing."""
    seed = data.draw(st.integers(0, 2**16))
    image = data.draw(st.sampled_from([0.0, 1.5]))
    guidance = Guidance(data.draw(st.floats(1.1, 9)), image, renorm=data.draw(st.sampled_from([1.0, 0.7, 0.0])))
    draw = torch.Generator().manual_seed(seed)
    predicted = torch.randn(guidance.copies, 2, 3, 4, generator=draw, dtype=torch.float64)
    rest = torch.randn(2, 5, 4, generator=draw, dtype=torch.float64)
    whole, _ = guidance.combine(torch.cat((predicted, rest.expand(guidance.copies, -1, -1, -1)), 2), guidance.scale)
    part, moved = guidance.combine(predicted, guidance.scale, rest)
    torch.testing.assert_close(part, whole[:, :3], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(moved, whole[:, 3:], rtol=1e-5, atol=1e-6)


def test_renormalization_never_enlarges_and_keeps_its_floor():
    draw = torch.Generator().manual_seed(0)
    out = torch.randn(2, 4, 6, 3, generator=draw)
    plain, _ = Guidance(8.0).combine(out, 8.0)
    renormed, _ = Guidance(8.0, renorm=0.4).combine(out, 8.0)
    ratio = renormed.flatten(1).norm(dim=1) / plain.flatten(1).norm(dim=1)
    wanted = (out[0].flatten(1).norm(dim=1) / plain.flatten(1).norm(dim=1)).clamp(0.4, 1)
    torch.testing.assert_close(ratio, wanted)


def test_scale_rises_from_its_minimum():
    guidance = Guidance(5.0, min_scale=1.0)
    assert [guidance.at_step(i, 4) for i in range(4)] == [2.0, 3.0, 4.0, 5.0]
    assert Guidance(5.0).at_step(0, 4) == 5.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_scale": 1, "spatiotemporal_scale": 1}, "can't be combined"),
        ({"scale": 1, "image_scale": 1}, "need guidance_scale > 1"),
        ({"image_scale": -1}, "negative"),
    ],
)
def test_impossible_guidances(arguments, message):
    with pytest.raises(InputError, match=message):
        Guidance(**arguments)
    with pytest.raises(InputError, match="at least 1"):
        autoregressive_schedule(10, 0)
