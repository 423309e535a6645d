"""NOVA with ``device="cuda"``, on a card that isn't there: the same numbers, and nothing that a real card refuses."""

from __future__ import annotations

import copy

import pytest
import torch

from nova_bench.nova.draws import Draws
from nova_bench.nova.generation import SpatialProcess
from nova_bench.nova.observe import Observer
from tests.fake_card import Card, fake_card
from tests.nova.small import FLOW, pipeline
from tests.nova.test_acceleration import fresh, latents

OPTIONS = [
    {},
    {"guidance_trunc": 400},
    {"guidance_renorm": 0.5},
    {"guidance_scale": 1.0},
    {"image_guidance_scale": 2.0},
]
# Guidance alone, and renormalization, which follows all tokens. The others are slow where a test takes seconds.
FEW = [OPTIONS[i] if i in (0, 2) else pytest.param(OPTIONS[i], marks=pytest.mark.slow) for i in range(len(OPTIONS))]
RISING = {"min_guidance_scale": 2.0, "num_inference_steps": 6}


def made(scheduler: str):
    return fresh(**({"scheduler": FLOW} if scheduler == "flow" else {}))


@pytest.mark.parametrize("scheduler", ["ddpm", "flow"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_latents_are_the_cpu_s(scheduler: str, options: dict) -> None:
    pipe = made(scheduler)
    expected = latents(pipe, **options)
    with fake_card():
        found = latents(pipe.to("cuda"), "cuda", **options)
        assert found.is_cuda
        torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_on_the_card(dtype: torch.dtype) -> None:
    pipe = fresh()
    with fake_card():
        found = latents(pipe.to("cuda", dtype), "cuda")
        assert found.is_cuda
        assert bool(found.isfinite().all())


@pytest.mark.parametrize("scheduler", ["ddpm", "flow"])
@pytest.mark.parametrize("options", [*FEW, RISING], ids=str)
def test_graphs_are_captured_by_the_rules_and_replay_the_same(scheduler: str, options: dict) -> None:
    pipe = made(scheduler)
    expected = latents(pipe, **options)
    with fake_card() as card:
        pipe.to("cuda").enable_cuda_graphs()
        for _ in range(2):
            found = latents(pipe, "cuda", **options)
            torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=1e-4)
        most = 0 if "guidance_renorm" in options else 3  # token counts, in eights
        assert (card.graphs > 0) == (most > 0)
        assert card.graphs <= most


class _Undisturbed(Observer):
    """Nothing in the parts of a generation may wait for the card."""

    def __init__(self, card: Card):
        self._card = card

    def region(self, name: str):
        return self._card.no_waiting(f"the {name} of a generation") if name != "text" else super().region(name)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_nothing_waits_inside_the_sampling_loop(options: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = fresh()
    real = SpatialProcess.fill
    with fake_card() as card:
        pipe.to("cuda")

        def fill(self, *args, **kwargs):
            with card.no_waiting("the spatial loop"):
                return real(self, *args, **kwargs)

        monkeypatch.setattr(SpatialProcess, "fill", fill)
        assert latents(pipe, "cuda", observer=_Undisturbed(card), **options).is_cuda


def test_videos_are_decoded_on_the_card() -> None:
    pipe = copy.deepcopy(pipeline())  # which other tests share
    call = {"max_latent_length": 2, "num_inference_steps": 2, "num_diffusion_steps": 2, "disable_progress_bar": True}
    expected = pipe("a", generator=torch.Generator().manual_seed(1), output_type="np", **call).frames
    with fake_card():
        found = pipe.to("cuda")("a", generator=torch.Generator("cuda").manual_seed(1), output_type="np", **call).frames
    assert abs(found.astype(int) - expected.astype(int)).max() <= 1


def test_offload_leaves_the_card_empty() -> None:
    pipe = fresh()
    expected = latents(pipe)
    with fake_card() as card:
        pipe.enable_model_cpu_offload("cuda")
        torch.testing.assert_close(latents(pipe, "cuda").cpu(), expected, rtol=1e-4, atol=1e-4)
        assert {parameter.device.type for parameter in pipe.transformer.parameters()} == {"cpu"}
        assert card.peak > 0


@pytest.mark.parametrize("at", [1, 40, 200])
def test_memory_that_runs_out_is_an_error_of_that_kind(at: int) -> None:
    pipe = fresh()
    with fake_card() as card:
        pipe.to("cuda")
        card.fail_at = card.allocations + at
        with pytest.raises(torch.cuda.OutOfMemoryError):
            latents(pipe, "cuda")
        card.fail_at = None
        assert latents(pipe, "cuda").is_cuda, "and the next call works"


@pytest.mark.parametrize("options", FEW, ids=str)
def test_a_sample_with_a_generator_of_the_card_depends_on_no_other(options: dict) -> None:
    call = {"num_inference_steps": 3, "num_diffusion_steps": 3, "output_type": "latent", "disable_progress_bar": True}
    with fake_card() as card:
        pipe = fresh().to("cuda")

        def made_with(*seeds: int) -> torch.Tensor:
            generators = [torch.Generator("cuda").manual_seed(seed) for seed in seeds]
            prompts = [f"prompt {seed}" for seed in seeds]
            return pipe(prompts, generator=generators, **{"max_latent_length": 2, **call, **options}).frames.cpu()

        together = made_with(1, 2, 3)
        for row, seed in enumerate((1, 2, 3)):
            torch.testing.assert_close(made_with(seed)[0], together[row], rtol=1e-4, atol=1e-4)
        assert card.allocations > 0


def test_the_noise_of_a_step_is_one_draw_for_each_sample() -> None:
    with fake_card() as card:
        draws = Draws([torch.Generator("cuda").manual_seed(seed) for seed in range(4)], 4, torch.device("cuda"))
        before = card.operations
        numbers = draws.normals(25, 1, 4, 8, 12)
        assert numbers.shape == (25, 4, 1, 4, 8, 12)
        assert card.operations - before < 20, "not one for each of a hundred tensors"
    in_order = Draws(torch.Generator().manual_seed(1), 2, torch.device("cpu"))
    one_by_one = Draws(torch.Generator().manual_seed(1), 2, torch.device("cpu"))
    assert torch.equal(in_order.normals(3, 5), torch.stack([one_by_one.normal(5) for _ in range(3)]))
