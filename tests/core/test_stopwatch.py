"""Stopwatches: the host's on any machine, CUDA's where there is a card."""

from __future__ import annotations

import time

import pytest
import torch

from nova_bench.core.stopwatch import CudaStopwatch, HostStopwatch, cost_of_a_region, make_stopwatch
from nova_bench.experiments.latency.spec import Setting
from nova_bench.experiments.latency.subject import StandInTokenizer, generate
from nova_bench.nova import NOVAPipeline
from tests.nova.small import CONFIG, VIDEO_VAE, pipeline


def test_regions_add_up():
    watch = make_stopwatch("cpu")
    assert isinstance(watch, HostStopwatch)
    started = time.perf_counter()
    for name, seconds in (("a", 0.02), ("b", 0.01), ("a", 0.02)):
        with watch.region(name):
            time.sleep(seconds)
    total = time.perf_counter() - started
    assert watch.entered == 3
    parts = watch.seconds()
    assert parts["a"] >= 0.04
    assert parts["b"] >= 0.01
    assert parts["a"] + parts["b"] <= total


def test_parts_never_exceed_the_call():
    pipe, setting = pipeline(), Setting(num_inference_steps=3, num_diffusion_steps=2)
    generate(pipe, setting)
    watch = make_stopwatch("cpu")
    started = time.perf_counter()
    generate(pipe, setting, watch)
    total = time.perf_counter() - started
    parts = watch.seconds()
    assert set(parts) == {"text", "temporal", "spatial", "head", "vae"}
    assert 0.5 * total < sum(parts.values()) <= total


def test_an_empty_region_costs_next_to_nothing():
    assert 0 < cost_of_a_region("cpu") < 1e-3


def test_stand_in_tokens():
    tokens = StandInTokenizer(5, 100)
    first, second = (tokens(text, truncation=True, max_length=4)["input_ids"] for text in ("prompt 0", "prompt 1"))
    assert len(first) == 4
    assert first != second
    assert all(0 <= token < 100 for token in first)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_events_on_cuda_cover_the_call():
    torch.manual_seed(0)
    pipe = NOVAPipeline.from_config(CONFIG, device="cuda", vae=VIDEO_VAE)
    setting = Setting(num_inference_steps=4, num_diffusion_steps=3, batch_size=2)
    generate(pipe, setting)
    watch = make_stopwatch("cuda")
    assert isinstance(watch, CudaStopwatch)
    started = time.perf_counter()
    generate(pipe, setting, watch)
    total = time.perf_counter() - started
    parts = watch.seconds()
    assert set(parts) == {"text", "temporal", "spatial", "head", "vae"}
    assert 0.5 * total < sum(parts.values()) <= 1.02 * total
