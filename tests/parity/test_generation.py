"""Whole generations, with their intermediate results, against the original implementation (float32, CPU)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nova_bench.nova import NOVAPipeline, Observer
from nova_bench.nova.guidance import autoregressive_schedule
from tests.parity.cases import CASES, SEED, arguments
from tests.parity.tolerances import assert_close

VECTORS = Path(__file__).parent / "vectors"
MODELS = ("t2v_abs_mixer", "t2v_rope", "t2i_abs")
RUNS = [
    pytest.param(model, number, id=f"{model}-{number}")
    for model in MODELS
    for number in range(len(json.loads((VECTORS / model / "cases.json").read_text())["runs"]))
]


@cache
def pipeline(model: str) -> NOVAPipeline:
    # Weights are stored in bfloat16, in which they are exact. One autoencoder serves both video models.
    parts = {"vae": None} if model == "t2v_rope" else {}
    return NOVAPipeline.from_pretrained(VECTORS / model / "pipeline", torch_dtype=torch.float32, **parts)


def run_of(model: str, number: int) -> tuple[dict, dict[str, torch.Tensor]]:
    run = json.loads((VECTORS / model / "cases.json").read_text())["runs"][number]
    return run, load_file(VECTORS / model / run["file"])


class Recorder(Observer):
    """Keeps everything."""

    def __init__(self):
        self.seen: dict[str, list[torch.Tensor]] = {}

    def record(self, name, value):
        self.seen.setdefault(name, []).append(value.clone())


def call(model: str, args: dict, output_type: str, observer: Observer | None = None):
    args = dict(args)
    generator = torch.Generator().manual_seed(args.pop("seed"))
    options = {"output_type": output_type, "disable_progress_bar": True, "observer": observer}
    out = pipeline(model)(**args, **options, generator=generator)
    return out, torch.rand(4, generator=generator)


@pytest.mark.parametrize(("model", "number"), RUNS)
def test_latents_and_intermediate_results(model, number):
    run, expected = run_of(model, number)
    recorder = Recorder()
    out, probe = call(model, run["args"], "latent", recorder)
    seen = recorder.seen
    assert torch.equal(seen["order"][0], expected["pred_order"])
    assert torch.equal(probe, expected["generator_state_probe"]), "other random numbers were drawn"
    assert_close("embeddings", seen["text_embeds"][0], expected["text_embeds"])
    assert_close("features", seen["condition"][0], expected["cond"])
    for t, (temporal, mixed) in enumerate(zip(seen["temporal"], seen["mixed"], strict=True)):
        assert_close("features", temporal, expected[f"temporal.t{t}"])
        assert_close("features", mixed, expected[f"c.t{t}"])
    assert_close("latents", out.frames, expected["latents"])


@pytest.mark.parametrize(("model", "number"), RUNS)
def test_spatial_features_and_head_of_predicted_tokens(model, number):
    run, expected = run_of(model, number)
    recorder = Recorder()
    call(model, run["args"], "latent", recorder)
    order, spatial, head = (recorder.seen[name] for name in ("order", "spatial", "head"))
    counts = [n for n in run["num_preds"] if n]
    copies = spatial[0].shape[0] // order[0].shape[0]

    def predicted(full: torch.Tensor, start: int, count: int) -> torch.Tensor:
        index = order[0][:, start : start + count].repeat(copies, 1)[..., None]
        return full.gather(1, index.expand(-1, -1, full.shape[-1]))

    for t in range(2 if "spatial.t1.first" in expected else 1):
        first, last = spatial[t * len(counts)], spatial[(t + 1) * len(counts) - 1]
        assert_close("features", first, predicted(expected[f"spatial.t{t}.first"], 0, counts[0]))
        start = sum(counts[:-1])
        assert_close("features", last, predicted(expected[f"spatial.t{t}.last"], start, counts[-1]))
    for d in range(2):
        assert_close("head", head[d].flatten(0, 1), predicted(expected[f"head.t0.s0.d{d}"], 0, counts[0]))


@pytest.mark.parametrize("model", ["t2v_abs_mixer", "t2i_abs"])
def test_decoded_pixels_and_bytes(model):
    run, expected = run_of(model, 0)
    name, kept = ("decoded_every_4", slice(None, None, 4)) if model == "t2v_abs_mixer" else ("decoded", slice(None))
    out, _ = call(model, run["args"], "pt")
    pixels = out.frames if model == "t2v_abs_mixer" else out.images
    assert_close("decoded", pixels[:, :, kept], expected[name])
    out, _ = call(model, run["args"], "np")
    frames = torch.from_numpy(out.frames if model == "t2v_abs_mixer" else out.images)
    assert frames.dtype == torch.uint8
    assert_close("uint8", frames, expected["frames_uint8"])


@pytest.mark.parametrize(
    ("model", "case"), [pytest.param(m, name, id=f"{m}-{name}") for name, (models, _) in CASES.items() for m in models]
)
def test_every_branch_of_sampling(model, case):
    vectors = load_file(VECTORS / "cases.safetensors")
    tensors = {name.removeprefix("input."): value for name, value in vectors.items() if name.startswith("input.")}
    generator = torch.Generator().manual_seed(SEED)
    out = pipeline(model)(**arguments(model, case, tensors), generator=generator)
    assert_close("latents", out.frames, vectors[f"{model}.{case}"])
    assert torch.equal(torch.rand(4, generator=generator), vectors[f"{model}.{case}.probe"])


@pytest.mark.parametrize(("model", "number"), RUNS)
def test_schedules_and_token_ids(model, number):
    run, _ = run_of(model, number)
    pipe, args = pipeline(model), run["args"]
    tokens = pipe.transformer.config.num_image_tokens
    assert autoregressive_schedule(tokens, args["num_inference_steps"]) == run["num_preds"]
    pipe.scheduler.set_timesteps(args["num_diffusion_steps"], shift=args.get("flow_shift"))
    assert pipe.scheduler.timestep_values == pytest.approx(run["timesteps"], abs=1e-3)
    prompts = [args["prompt"]] if isinstance(args["prompt"], str) else args["prompt"]
    limit = pipe.transformer.config.text_token_len
    ids = [pipe.tokenizer(p, truncation=True, max_length=limit)["input_ids"] if p else [] for p in prompts]
    assert ids == run["token_ids"]
