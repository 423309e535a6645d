"""Names, shapes and parameter counts of the published models, built on the meta device."""

from __future__ import annotations

from math import prod
from pathlib import Path

import pytest
import torch

from nova_bench.nova import NOVAPipeline
from nova_bench.nova.published import published
from nova_bench.nova.transformer import NOVATransformer3DModel

LIST = Path(__file__).parent / "vectors" / "transformer_osp480.txt"
NULL_TEXT = 512 * 2560  # text_embed.weight is a buffer


def meta_model(config) -> NOVATransformer3DModel:
    with torch.device("meta"):
        return NOVATransformer3DModel(config)


def shapes(model: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


def listed() -> dict[str, tuple[int, ...]]:
    lines = (line.split() for line in LIST.read_text().splitlines())
    return {name: tuple(int(n) for n in shape.split("x")) for name, shape in lines}


def test_video_model_has_the_published_names_and_shapes():
    assert shapes(meta_model(published("nova-d48w1024-osp480").transformer)) == listed()


def test_without_mixer_only_its_three_keys_are_missing():
    config = published("nova-d48w1024-osp480").transformer.with_arrangement(video_mixer_rank=None)
    names = {name for name in listed() if ".mixer." not in name}
    assert len(names) == 643
    assert set(shapes(meta_model(config))) == names


@pytest.mark.parametrize("width", [768, 1024, 1536])
def test_image_models_differ_from_the_video_model_as_specified(width):
    found = shapes(meta_model(published(f"nova-d48w{width}-sdxl1024").transformer))
    gone = ("motion_embed.", "video_encoder.mixer.")
    more = {f"image_decoder.blocks.{i}." for i in (3, 4, 5)}
    expected = {name for name in listed() if not name.startswith(gone)}
    for block in more:
        expected |= {name.replace("image_decoder.blocks.0.", block) for name in expected}
    assert set(found) == expected
    assert found["image_encoder.blocks.31.attn.qkv.weight"] == (3 * width, width)
    assert found["image_decoder.time_cond_embed.condition_proj.fc1.weight"] == (width, width)
    assert found["text_embed.weight"] == (512, 2560)


@pytest.mark.parametrize(
    ("name", "mixer", "count"),
    [
        ("nova-d48w1024-osp480", None, 644_118_544),
        ("nova-d48w1024-osp480", 24, 644_194_320),
        ("nova-d48w768-sdxl1024", None, 363_946_000),
        ("nova-d48w1024-sdxl1024", None, 645_693_456),
        ("nova-d48w1536-sdxl1024", None, 1_449_836_560),
    ],
)
def test_parameter_counts(name, mixer, count):
    config = published(name).transformer.with_arrangement(video_mixer_rank=mixer)
    found = shapes(meta_model(config))
    assert sum(prod(shape) for shape in found.values()) - NULL_TEXT == count


def test_full_rank_mixer_has_no_inner_weight():
    config = published("nova-d48w1024-osp480").transformer.with_arrangement(video_mixer_rank=-1)
    mixer = {name: shape for name, shape in shapes(meta_model(config)).items() if ".mixer." in name}
    assert mixer == {"video_encoder.mixer.proj.weight": (2048, 1024), "video_encoder.mixer.proj.bias": (2048,)}


def test_label_model_has_class_embedding_instead_of_text():
    config = published("nova-d48w768-sdxl1024").transformer
    found = shapes(meta_model(config.with_arrangement(text_token_dim=None, text_token_len=None)))
    assert found["label_embed.weight"] == (1001, 768)
    assert found["label_embed.norm.bias"] == (768,)
    assert not [name for name in found if name.startswith("text_embed")]


def test_whole_pipeline_on_meta_has_phi2():
    pipe = NOVAPipeline.from_config("BAAI/nova-d48w1024-osp480", device="meta")
    found = shapes(pipe.text_encoder)
    assert found["model.embed_tokens.weight"] == (51200, 2560)
    assert found["model.layers.31.mlp.fc1.weight"] == (10240, 2560)
    assert found["model.final_layernorm.bias"] == (2560,)
    assert {p.device.type for p in pipe.vae.parameters()} == {"meta"}
