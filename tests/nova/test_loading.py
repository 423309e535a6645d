from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from nova_bench.nova import ArchitectureError, CheckpointError, ConfigError, InputError, NOVAError, NOVAPipeline
from nova_bench.nova.loading import load_transformer, save_transformer
from tests.nova.small import CONFIG, QUICK, pipeline, transformer

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    pipeline().save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "checkpoint")


def edit(path, change):
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def edit_weights(path, change):
    weights = load_file(path)
    change(weights)
    save_file(weights, path)


def same_latents(a: NOVAPipeline, b: NOVAPipeline) -> bool:
    outs = [
        p("a b", max_latent_length=2, output_type="latent", generator=torch.Generator().manual_seed(1), **QUICK).frames
        for p in (a, b)
    ]
    return torch.equal(*outs)


def test_round_trip(folder, tmp_path):
    loaded = NOVAPipeline.from_pretrained(folder)
    assert same_latents(loaded, pipeline())
    index = json.loads((folder / "model_index.json").read_text())
    assert index["transformer"] == ["__transformer__", "NOVATransformer3DModel"]
    loaded.save_pretrained(tmp_path / "again")
    for path in folder.rglob("*.safetensors"):
        again = load_file(tmp_path / "again" / path.relative_to(folder))
        assert all(torch.equal(value, again[key]) for key, value in load_file(path).items())


def test_code_in_a_checkpoint_is_not_run(folder):
    for part in ("transformer", "vae", "text_encoder"):
        (folder / part / f"__{part}__.py").write_text("raise SystemExit('this must never run')\n")
    assert NOVAPipeline.from_pretrained(folder, trust_remote_code=True).transformer.config == CONFIG


@pytest.mark.parametrize("part", ["transformer", "text_encoder"])
def test_shards(folder, part):
    name = WEIGHTS if part == "transformer" else "model.safetensors"
    weights = load_file(folder / part / name)
    (folder / part / name).unlink()
    shards = {key: f"part-{i % 3}.safetensors" for i, key in enumerate(weights)}
    for shard in set(shards.values()):
        save_file({key: value for key, value in weights.items() if shards[key] == shard}, folder / part / shard)
    (folder / part / f"{name}.index.json").write_text(json.dumps({"weight_map": shards}))
    assert same_latents(NOVAPipeline.from_pretrained(folder), pipeline())
    (folder / part / "part-1.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"part-1\.safetensors: shard listed"):
        NOVAPipeline.from_pretrained(folder)


def test_left_out_components(folder):
    edit(folder / "model_index.json", lambda index: index.update(text_encoder=["", ""], vae=[None, None]))
    shutil.rmtree(folder / "text_encoder")
    pipe = NOVAPipeline.from_pretrained(folder)
    assert pipe.text_encoder is None
    assert pipe.vae is None
    options = {"max_latent_length": 2, **QUICK}
    with pytest.raises(InputError, match="no text encoder: pass prompt_embeds"):
        pipe("a", output_type="latent", **options)
    with pytest.raises(InputError, match="no vae"):
        pipe("a", **options)
    out = pipe(prompt_embeds=[torch.randn(3, 24)], output_type="latent", **options).frames
    assert out.shape == (1, 4, 2, 4, 8)
    assert NOVAPipeline.from_pretrained(folder, tokenizer=None).tokenizer is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_dtype_of_loaded_weights(folder, dtype):
    pipe = NOVAPipeline.from_pretrained(folder, torch_dtype=dtype)
    networks = (pipe.transformer, pipe.vae, pipe.text_encoder)
    assert {p.dtype for network in networks for p in network.parameters()} == {dtype}
    assert pipe.text_encoder.model.rotary_emb.inv_freq.dtype == torch.float32


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda f: (f / "model_index.json").unlink(), r"model_index\.json: can't be read"),
        (lambda f: (f / "transformer" / WEIGHTS).unlink(), "neither diffusion_pytorch_model"),
        (lambda f: (f / "transformer" / WEIGHTS).write_bytes(b"\0" * 100), "not a readable safetensors file"),
        (lambda f: (f / "text_encoder" / "config.json").unlink(), "text_encoder/config.json"),
        (lambda f: (f / "scheduler" / "scheduler_config.json").write_text("[]"), "expected a JSON object"),
        (lambda f: shutil.rmtree(f / "tokenizer"), "tokenizer can't be loaded"),
        (
            lambda f: edit_weights(f / "transformer" / WEIGHTS, lambda w: w.pop("image_decoder.head.bias")),
            "weights lack image_decoder.head.bias",
        ),
        (
            lambda f: edit_weights(f / "transformer" / WEIGHTS, lambda w: w.update(extra=torch.zeros(1))),
            "unexpected key extra",
        ),
        (
            lambda f: edit_weights(
                f / "transformer" / WEIGHTS, lambda w: w.update({"image_decoder.head.bias": torch.zeros(3)})
            ),
            r"image_decoder.head.bias has shape \(3,\), expected \(16,\)",
        ),
    ],
)
def test_damaged_checkpoints_are_one_line_errors(folder, break_it, message):
    break_it(folder)
    with pytest.raises(CheckpointError, match=message) as caught:
        NOVAPipeline.from_pretrained(folder)
    assert isinstance(caught.value, NOVAError | OSError)
    assert "\n" not in str(caught.value)


def test_other_architectures_are_refused(folder):
    edit(folder / "text_encoder" / "config.json", lambda config: config.update(model_type="t5"))
    with pytest.raises(ArchitectureError, match="'t5'"):
        NOVAPipeline.from_pretrained(folder)
    edit(folder / "model_index.json", lambda index: index.update(_class_name="StableDiffusionPipeline"))
    with pytest.raises(ArchitectureError, match="StableDiffusionPipeline"):
        NOVAPipeline.from_pretrained(folder)


@pytest.mark.parametrize(
    ("trained", "wanted"),
    [
        ({}, {"norm_placement": "pre"}),
        ({"norm_placement": "post_after_residual"}, {"norm_placement": "post_before_residual"}),
        ({"temporal_autoregressive": False}, {"temporal_autoregressive": True}),
        ({"video_mixer_rank": None}, {"video_mixer_rank": 4}),
        ({"rotary_pos_embed": True, "norm_placement": "pre"}, {"rotary_pos_embed": False}),
    ],
)
def test_a_checkpoint_stays_in_its_arrangement(tmp_path, trained, wanted):
    config = CONFIG.with_arrangement(**trained)
    save_transformer(transformer(config), tmp_path)
    assert load_transformer(tmp_path).config == config
    assert load_transformer(tmp_path, arrangement=trained).config == config
    with pytest.raises(ArchitectureError, match=f"trained with {next(iter(wanted))}"):
        load_transformer(tmp_path, arrangement=wanted)
    with pytest.raises(ConfigError, match="unknown key"):
        load_transformer(tmp_path, arrangement={"norm": "pre"})


def test_sources_that_are_nowhere(saved, tmp_path):
    with pytest.raises(CheckpointError, match="no such folder, not a hub id"):
        NOVAPipeline.from_pretrained(tmp_path / "nothing" / "here")
    with pytest.raises(CheckpointError, match="nobody/nothing: can't be loaded from the hub") as caught:
        NOVAPipeline.from_pretrained("nobody/nothing", local_files_only=True, cache_dir=tmp_path)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="'unet' is not a component"):
        NOVAPipeline.from_pretrained(saved, unet=None)
