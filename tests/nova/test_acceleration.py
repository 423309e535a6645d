"""CUDA graphs, compilation and faster products leave the latents as they are."""

from __future__ import annotations

import pytest
import torch

from nova_bench.kernels import layers
from nova_bench.kernels.amx.layers import SlicedLinear
from nova_bench.kernels.packed import PackedLinear
from nova_bench.kernels.simd.library import library as simd
from nova_bench.kernels.simd.linear import VectorLinear
from nova_bench.nova import NOVAPipeline
from nova_bench.nova.errors import InputError
from nova_bench.nova.graphs import GraphCache
from nova_bench.nova.guidance import Guidance
from tests.nova.small import CONFIG, FLOW, QUICK, pipeline, spread


def latents(pipe, device="cpu", **options):
    draws = [torch.Generator(device).manual_seed(seed) for seed in (1, 2)]
    call = {"max_latent_length": 2, "output_type": "latent", **QUICK, **options}
    return pipe(["a", "b c"], generator=draws, **call).frames


def fresh(config=CONFIG, scale=0.15, **parts) -> NOVAPipeline:
    torch.manual_seed(0)
    pipe = NOVAPipeline.from_config(config, vae=None, **parts)
    spread(pipe.transformer, scale=scale)
    return pipe


def count(pipe) -> int:
    return sum(value.numel() for value in pipe.transformer.parameters())


WIDE = CONFIG.with_arrangement(arch=("vit_d2w128h2", "vit_d3w128h2", "mlp_d2w128"))
"""Wide enough for layers to be replaced, with attention heads of the published size."""


@pytest.mark.parametrize("kind", [SlicedLinear, VectorLinear, PackedLinear])
@pytest.mark.parametrize("arrangement", [{}, {"norm_placement": "pre"}, {"rotary_pos_embed": True}])
def test_faster_products_give_the_same_latents(kind, arrangement, monkeypatch):
    if kind is not SlicedLinear:
        monkeypatch.setattr(layers, "library", lambda: None)
    elif layers.library() is None:
        pytest.skip("needs a CPU with AMX and a C compiler")
    if kind is PackedLinear:
        monkeypatch.setattr(layers, "vector_linear", lambda layer: None)
    elif kind is VectorLinear and simd() is None:
        pytest.skip("needs a CPU with AVX2 and a C compiler")
    pipe = fresh(WIDE.with_arrangement(**arrangement), scale=0.05)
    expected, weights = latents(pipe), count(pipe)
    pipe.speed_up()
    replaced = {type(module) for module in pipe.transformer.modules()}
    if kind is PackedLinear and kind not in replaced:
        pytest.skip("this CPU or torch has no fast packed products")
    assert kind in replaced
    torch.testing.assert_close(latents(pipe), expected, rtol=1e-4, atol=2e-5)
    assert count(pipe) < 0.2 * weights  # no layer keeps both


def test_a_faster_pipeline_only_generates(tmp_path):
    pipe = fresh()
    pipe.speed_up()
    pipe.speed_up()  # a second time changes nothing
    for action in (lambda: pipe.to(torch.float64), lambda: pipe.save_pretrained(tmp_path), pipe.compile):
        with pytest.raises(InputError, match="load it again"):
            action()
    assert not list(tmp_path.iterdir())


def test_weights_that_are_not_finite_stay_to_be_found():
    pipe = fresh(WIDE)
    pipe.transformer.image_encoder.blocks[1].mlp.fc1.weight.data[3, 4] = float("nan")
    before = dict(pipe.transformer.state_dict())
    pipe.speed_up()
    assert pipe.transformer.state_dict().keys() == before.keys()


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
        out = cache.run(lambda z, d, s: d[0] + s * z[:2, :, :3], "settings", network, z, draws, count)
        assert torch.equal(out, draws[0] + count * z[:2, :, :3])
    assert captured == [((4, 8, 5), (2, 2, 8, 3)), ((4, 16, 5), (2, 2, 16, 3))]
    cache.run(lambda z, d, s: d[0], "other settings", network, z, draws, 1.0)
    cache.run(lambda z, d, s: d[0], "other settings", torch.nn.Linear(2, 2), z, draws, 1.0)
    assert len(captured) == 4


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_rising_guidance_scale_needs_no_more_graphs(dtype, monkeypatch):
    """Run with the scale as a tensor, as a graph is, and with as many captures as a constant scale needs."""
    captured = []

    def capture(loop, z, draws, pool):
        captured.append(z.shape)
        return lambda z, draws, scale: loop(z, draws, torch.tensor(scale))

    pipe = fresh().to(dtype)
    options = {"guidance_scale": 6.1, "num_inference_steps": 6}
    rising = {**options, "min_guidance_scale": 2.3}
    expected = latents(pipe, **rising)
    monkeypatch.setattr("nova_bench.nova.graphs._Graph", capture)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: "pool")
    monkeypatch.setattr(GraphCache, "usable", lambda self, z: True)
    pipe.enable_cuda_graphs()
    latents(pipe, **options)
    constant = len(captured)
    pipe.enable_cuda_graphs()
    captured.clear()
    torch.testing.assert_close(latents(pipe, **rising), expected, rtol=1e-5, atol=1e-5)
    assert len(captured) == constant == len(set(captured))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_a_scale_that_is_a_tensor_gives_the_same_numbers(dtype):
    out = torch.randn(2, 2, 50, 4).to(dtype)
    guidance = Guidance(4.9)
    for scale in (1.3, 4.97, 5.0):
        assert torch.equal(guidance.combine(out, torch.tensor(scale))[0], guidance.combine(out, scale)[0])


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
