"""The formulas count what torch's own counter sees, part by part, in every arrangement."""

from __future__ import annotations

import pytest
import torch

from nova_bench.experiments.latency.flops import FlopObserver, flops_per_video
from nova_bench.experiments.latency.spec import Setting
from nova_bench.experiments.latency.subject import generate
from tests.nova.small import CONFIG, IMAGE_CONFIG, pipeline

CASES = {
    "published": ({}, {}),
    "no guidance": ({}, {"guidance_scale": 1.0}),
    "no mixer": ({"video_mixer_rank": None}, {}),
    "full rank": ({"video_mixer_rank": -1}, {}),
    "rotary": ({"rotary_pos_embed": True}, {}),
    "no cache": ({}, {"kv_cache": False}),
    "without TAM": ({"temporal_autoregressive": False}, {}),
    "without TAM, rotary": ({"temporal_autoregressive": False, "rotary_pos_embed": True}, {}),
    "one frame": ({}, {"num_frames": 1}),
    "more steps than tokens": ({}, {"num_inference_steps": 20}),
}


@pytest.mark.parametrize("case", CASES)
def test_formulas_equal_the_counter(case):
    arrangement, changes = CASES[case]
    pipe = pipeline(CONFIG.with_arrangement(**arrangement))
    setting = Setting.model_validate(
        {"num_frames": 13, "num_inference_steps": 4, "num_diffusion_steps": 3, "prompt_tokens": 5, **changes}
    )
    observer = FlopObserver()
    with observer.counting():
        generate(pipe, setting, observer)
    # The byte tokenizer gives this pipeline's prompt more tokens than fit: the same in both.
    assert flops_per_video(pipe, setting) == observer.flops


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")
def test_the_convolutions_of_the_cpu_are_counted():
    """The autoencoder calls oneDNN directly, past what torch's counter knows."""
    x, weight, bias = torch.randn(2, 3, 4, 6, 8), torch.randn(5, 3, 1, 3, 3), torch.zeros(5)
    counts = []
    for convolve in (
        lambda: torch.nn.functional.conv3d(x, weight, bias, (1, 2, 2), (0, 1, 1)),
        lambda: torch.ops.aten.mkldnn_convolution(x, weight, bias, (0, 1, 1), (1, 2, 2), (1, 1, 1), 1),
    ):
        observer = FlopObserver()
        with torch.inference_mode(), observer.counting(), observer.region("vae"):
            convolve()
        counts.append(observer.flops["vae"])
    assert counts == [2 * (2 * 5 * 4 * 3 * 4) * (3 * 1 * 3 * 3)] * 2


def test_an_image_model():
    pipe = pipeline(IMAGE_CONFIG)
    setting = Setting(num_frames=1, num_inference_steps=4, num_diffusion_steps=3)
    observer = FlopObserver()
    with observer.counting():
        generate(pipe, setting, observer)
    assert flops_per_video(pipe, setting) == observer.flops
