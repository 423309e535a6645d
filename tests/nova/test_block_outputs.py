"""Magnitudes of block outputs while a video is generated."""

from __future__ import annotations

import pytest
import torch

from nova_bench.nova.block_outputs import BlockOutputs
from nova_bench.nova.errors import InputError
from tests.nova.small import CONFIG, QUICK, pipeline, transformer

PROMPTS = ["a red cube", "two cats"]


def outputs(prompts: list[str], seeds: list[int]) -> BlockOutputs:
    pipe = pipeline(scheduler="flow")
    with BlockOutputs(pipe.transformer, len(prompts)) as watched:
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        pipe(prompts, generator=generators, max_latent_length=3, output_type="np", observer=watched, **QUICK)
    return watched


def test_a_sample_is_measured_the_same_alone_and_in_a_batch() -> None:
    both = outputs(PROMPTS, [3, 4])
    for index in range(2):
        alone = outputs(PROMPTS[index : index + 1], [3 + index]).of_sample(0)
        found = both.of_sample(index)
        assert found.keys() == alone.keys()
        for name, numbers in alone.items():
            for what in ("rms", "max"):
                assert found[name][what] == pytest.approx(numbers[what], rel=1e-3)
    assert both.of_sample(0) != both.of_sample(1)


def test_numbers_are_those_of_all_calls_of_a_frame() -> None:
    pipe, calls, frames = pipeline(scheduler="flow"), [], []
    block = pipe.transformer.image_encoder.blocks[1]
    handle = block.register_forward_hook(lambda module, inputs, output: calls.append(output.clone()))

    class Frames(BlockOutputs):
        def record(self, name: str, value: torch.Tensor) -> None:
            super().record(name, value)
            if name == "latent":
                frames.append(torch.cat([call.flatten() for call in calls]))
                calls.clear()

    with Frames(pipe.transformer, 1) as watched:
        pipe(PROMPTS[0], generator=torch.Generator(), max_latent_length=2, output_type="np", observer=watched, **QUICK)
    handle.remove()
    found = watched.of_sample(0)["image_encoder.blocks.1"]
    assert found["max"] == pytest.approx([float(frame.abs().max()) for frame in frames], rel=1e-4)
    assert found["rms"] == pytest.approx([float(frame.square().mean().sqrt()) for frame in frames], rel=1e-4)
    assert not block._forward_hooks


def test_frames_that_are_made_together_have_no_steps() -> None:
    model = transformer(CONFIG.with_arrangement(temporal_autoregressive=False))
    with pytest.raises(InputError, match="need temporal autoregression"):
        BlockOutputs(model, 1)
