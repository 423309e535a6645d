"""CUDA graphs and compilation leave the latents as they are."""

from __future__ import annotations

import pytest
import torch

from nova_bench.nova import NOVAPipeline
from nova_bench.nova.graphs import GraphCache
from tests.nova.small import CONFIG, FLOW, QUICK, pipeline, spread


def latents(pipe, device="cpu", **options):
    draws = [torch.Generator(device).manual_seed(seed) for seed in (1, 2)]
    call = {"max_latent_length": 2, "output_type": "latent", **QUICK, **options}
    return pipe(["a", "b c"], generator=draws, **call).frames


def fresh(**parts) -> NOVAPipeline:
    torch.manual_seed(0)
    pipe = NOVAPipeline.from_config(CONFIG, vae=None, **parts)
    spread(pipe.transformer)
    return pipe


@pytest.mark.slow
def test_compiled_blocks_give_the_same_latents():
    pipe = fresh()
    expected = latents(pipe)
    pipe.compile(backend="eager")  # traces like any backend, but needs no C++ compiler
    keys = set(pipe.transformer.state_dict())
    torch.testing.assert_close(latents(pipe), expected, rtol=1e-4, atol=2e-5)
    assert set(pipe.transformer.state_dict()) == keys


def test_graphs_are_left_alone_without_cuda():
    expected = latents(pipeline())
    whole = pipeline()
    pipe = NOVAPipeline(whole.transformer, whole.scheduler, None, whole.text_encoder, whole.tokenizer)
    pipe.enable_cuda_graphs()
    assert torch.equal(latents(pipe), expected)


def test_graph_cache_pads_tokens_and_captures_once_per_setting(monkeypatch):
    """The bookkeeping around capture, with a stand-in that records what would be captured."""
    captured = []

    def capture(loop, z, draws, pool):
        captured.append((tuple(z.shape), tuple(draws.shape)))
        return loop

    monkeypatch.setattr("nova_bench.nova.graphs._Graph", capture)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: "pool")
    cache, network = GraphCache(limit=3), torch.nn.Linear(2, 2)
    for count in (1, 3, 8, 9):
        z, draws = torch.randn(4, count, 5), torch.randn(2, 2, count, 3)
        out = cache.run(lambda z, d: d[0] + z[:2, :, :3], "settings", network, z, draws)
        assert torch.equal(out, draws[0] + z[:2, :, :3])
    assert captured == [((4, 8, 5), (2, 2, 8, 3)), ((4, 16, 5), (2, 2, 16, 3))]
    cache.run(lambda z, d: d[0], "other settings", network, z, draws)
    cache.run(lambda z, d: d[0], "other settings", torch.nn.Linear(2, 2), z, draws)
    assert len(captured) == 4


needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.mark.gpu
@needs_cuda
@pytest.mark.parametrize("scheduler", ["ddpm", "flow"])
@pytest.mark.parametrize("options", [{}, {"guidance_trunc": 400}, {"guidance_renorm": 0.5}, {"guidance_scale": 1.0}])
def test_graphs_on_cuda(scheduler, options):
    pipe = fresh(**({"scheduler": FLOW} if scheduler == "flow" else {})).to("cuda")
    expected = latents(pipe, "cuda", **options)
    pipe.enable_cuda_graphs()
    for _ in range(2):
        torch.testing.assert_close(latents(pipe, "cuda", **options), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.gpu
@needs_cuda
def test_cuda_follows_the_cpu():
    pipe = fresh()
    expected = latents(pipe)
    out = latents(pipe.to("cuda"))  # generators of the CPU: same draws
    torch.testing.assert_close(out.cpu(), expected, rtol=1e-2, atol=1e-2)


@pytest.mark.gpu
@needs_cuda
def test_offload_to_cuda():
    pipe = fresh()
    expected = latents(pipe)
    pipe.enable_model_cpu_offload("cuda")
    torch.testing.assert_close(latents(pipe).cpu(), expected, rtol=1e-2, atol=1e-2)
    assert {p.device.type for p in pipe.transformer.parameters()} == {"cpu"}
