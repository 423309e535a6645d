"""Each network equals the official implementation on the same full-size weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from nova_bench.networks.clip_text import CLIP
from nova_bench.networks.clip_tokens import CLIPTokenizer, stacked
from nova_bench.networks.correlation import all_levels, lookup, position_grid
from nova_bench.networks.frames import clip_input, dino_input, musiq_input, padded, to_float, umt_input, viclip_input
from nova_bench.networks.musiq import multiscale_patches
from nova_bench.scorers.vbench.middle_frames import middle_frames
from nova_bench.video import read_clip

from .conftest import MERGES
from .tolerances import assert_close, table

VECTORS = Path(__file__).parent / "vectors"
CLIPS = Path(__file__).parents[2] / "data" / "vbench_clips"
CLIP_FRAMES = (
    "r1_carphone_176x144_8fps_20f.mp4",
    "r3_bunny_230x130_12fps_17f.mp4",
    "r7_portrait_136x240_16fps_13f.mp4",
)


TOKENIZER = CLIPTokenizer(MERGES)


@pytest.fixture(autouse=True)
def _inference():
    with torch.inference_mode():
        yield


def vectors(name: str) -> dict[str, Tensor]:
    return load_file(VECTORS / f"{name}.safetensors")


def prompts(name: str) -> list[str]:
    with safe_open(VECTORS / f"{name}.safetensors", "pt") as file:
        return json.loads(file.metadata()["prompts"])


def padded_ids(texts: Sequence[Sequence[int]], length: int) -> list[list[int]]:
    return [[*ids, *[0] * (length - len(ids))] for ids in texts]


def outputs(module: nn.Module) -> list[Tensor]:
    """What the module returns from now on."""
    seen: list[Tensor] = []
    module.register_forward_hook(lambda _, __, output: seen.append(output))
    return seen


def frame(pixels: Tensor) -> Tensor:
    return to_float(pixels[None], "cpu")


@pytest.mark.parametrize("name", ["raft_pair0_nopad", "raft_pair1_pad"])
def test_raft(network: Callable, name: str) -> None:
    raft, expected = network("raft"), vectors(name)
    first, second = (padded(frame(expected[key]), 8) for key in ("image1_u8", "image2_u8"))
    features, others, context = raft.features(first), raft.features(second), raft.context(first)
    assert_close("RAFT features", features[:, ::8], expected["fmap1_c_every8"])
    assert_close("RAFT context", context[:, ::4], expected["cnet_out_c_every4"])
    height, width = features.shape[-2:]
    levels = all_levels(features, others)
    samples = lookup(levels, position_grid(1, height, width, features.device), radius=4)
    assert_close("RAFT correlation samples", samples[:, ::9], expected["corr_lookup_iter0_c_every9"])
    once, _ = raft.low_resolution(features, others, context, iterations=1)
    assert_close("RAFT first update", once, expected["delta_flow_iter1"])
    assert_close("RAFT flow, pixels", raft(first, second), expected["flow_up_padded"])


@pytest.mark.parametrize("name", ["amt_s_pair0", "amt_s_pair1_pad"])
def test_amt(network: Callable, name: str) -> None:
    expected = vectors(name)
    first, second = (padded(frame(expected[key]) / 255.0, 16) for key in ("img0_u8", "img1_u8"))
    made, official = network("amt_s")(first, second), expected["imgt_pred_padded"]
    assert_close("AMT-S frame, 0-1", made, official)
    assert_close("AMT-S frame, mean over pixels", (made - official).abs().mean(), 0.0)


@pytest.mark.parametrize("name", ["dino_landscape", "dino_portrait"])
def test_dino(network: Callable, name: str) -> None:
    dino, expected = network("dino_vitb16"), vectors(name)
    images = dino_input(frame(expected["frame_u8"]))
    assert_close("DINO input and positions", images[..., ::8, ::8], expected["input_hw_every8"])
    positions = dino.positions(*images.shape[-2:])
    assert_close("DINO input and positions", positions[..., ::16], expected["pos_encoding_c_every16"])
    assert_close("DINO input and positions", dino.tokens(images)[..., ::16], expected["tokens_c_every16"])
    assert_close("DINO features", dino(images), expected["cls_out"])


@pytest.mark.parametrize(
    ("name", "quantity"),
    [
        ("clip_vitb32", "CLIP ViT-B/32 features"),
        pytest.param("clip_vitl14", "CLIP ViT-L/14 features", marks=pytest.mark.slow),
    ],
)
def test_clip(network: Callable, name: str, quantity: str) -> None:
    clip, expected = network(name), vectors(name)
    clip = clip.image if isinstance(clip, CLIP) else clip
    frames = [read_clip(CLIPS / file, 1).frames[0] for file in CLIP_FRAMES]
    images = torch.cat([clip_input(frame(pixels)) for pixels in frames])
    assert_close("CLIP input", images[..., ::16, ::16], expected["input_hw_every16"])
    assert_close("CLIP tokens", clip.tokens(images)[:, :4], expected["ln_pre_first4"])
    assert_close(quantity, clip(images), expected["image_features"])


def test_clip_text(network: Callable) -> None:
    clip, expected = network("clip_vitb32"), vectors("clip_vitb32")
    ids = [TOKENIZER.ids(prompt) for prompt in prompts("clip_vitb32")]
    tokens = stacked(ids)
    assert padded_ids(ids, 77) == expected["token_ids"].tolist()
    blocks = outputs(clip.text.transformer.resblocks[5])
    assert_close("CLIP text features", clip.text(tokens), expected["text_features"])
    assert_close("CLIP text features", blocks[0][:, :4], expected["text_block5_first4"])


def test_viclip_in_miniature(network: Callable) -> None:
    viclip, expected = network("viclip_reduced"), vectors("viclip_reduced")
    clip = read_clip(CLIPS / "r5_short_160x136_10fps_2f.mp4")
    images = viclip_input(to_float(clip.frames[middle_frames(clip.frame_count, 8)], "cpu"))
    assert_close("ViCLIP video features", viclip.vision_encoder(images[None]), expected["video_features"])
    ids = [TOKENIZER.cut(TOKENIZER.ids(prompt), 32) for prompt in prompts("viclip_reduced")]
    assert_close("ViCLIP text features", viclip.text_encoder(stacked(ids)), expected["text_features"])


def test_umt_in_miniature(network: Callable) -> None:
    umt, expected = network("umt_reduced"), vectors("umt_reduced")
    assert_close("UMT positions", umt.pos_embed[:, ::61], expected["positions_every61"])
    clip = read_clip(CLIPS / "r3_bunny_230x130_12fps_17f.mp4")
    frames = umt_input(clip.frames[middle_frames(clip.frame_count, 16)], "cpu")[None]
    assert_close("UMT logits", umt(frames), expected["logits"])


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_viclip(network: Callable) -> None:
    viclip, expected = network("viclip_l14"), vectors("viclip_l14")
    clip = read_clip(CLIPS / "r2_bikes_320x136_24fps_24f.mp4")
    images = viclip_input(to_float(clip.frames[middle_frames(clip.frame_count, 8)], "cpu"))
    assert_close("ViCLIP input", images[..., ::16, ::16], expected["input_hw_every16"])
    video = viclip.vision_encoder
    assert_close("ViCLIP tokens", video.tokens(images[None])[:, ::64][:, :8], expected["ln_pre_tokens_0_64_448"])
    blocks = [outputs(video.transformer.resblocks[index]) for index in (0, 12)]
    assert_close("ViCLIP video features", video(images[None]), expected["video_features"])
    assert_close("ViCLIP video features", blocks[0][0][:, :4], expected["block0_first4"])
    assert_close("ViCLIP video features", blocks[1][0][:, :1], expected["block12_cls"])
    ids = [TOKENIZER.cut(TOKENIZER.ids(prompt), 32) for prompt in prompts("viclip_l14")]
    assert padded_ids(ids, 32) == expected["token_ids"].tolist()
    text = outputs(viclip.text_encoder.transformer.resblocks[5])
    assert_close("ViCLIP text features", viclip.text_encoder(stacked(ids)), expected["text_features"])
    assert_close("ViCLIP text features", text[0][:, :4], expected["text_block5_first4"])


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_umt(network: Callable) -> None:
    umt = network("umt_l16")
    for name, file in [
        ("umt_l16", "r5_short_160x136_10fps_2f.mp4"),
        ("umt_l16_logits1", "r7_portrait_136x240_16fps_13f.mp4"),
    ]:
        expected, clip = vectors(name), read_clip(CLIPS / file)
        frames = umt_input(clip.frames[middle_frames(clip.frame_count, 16)], "cpu")[None]
        blocks = [outputs(umt.blocks[index]) for index in (0, 12)]
        features = umt.features(frames)
        assert_close("UMT features", features, expected["fc_norm"])
        assert_close("UMT logits", umt.head(features), expected["logits"])
        if name == "umt_l16":
            sliced = frames.transpose(1, 2)[:, :, ::5, ::16, ::16]
            assert_close("UMT input and patches", sliced, expected["input_t_every5_hw_every16"])
            assert_close("UMT input and patches", umt.tokens(frames)[:, ::512], expected["patch_embed_tokens_every512"])
            for block, key in zip(blocks, ("block0_first4", "block12_first4"), strict=True):
                assert_close("UMT blocks", block[0][:, :4], expected[key])


@pytest.mark.parametrize("name", ["musiq_small", "musiq_portrait", "musiq_resized"])
def test_musiq(network: Callable, name: str) -> None:
    musiq, expected = network("musiq_spaq"), vectors(name)
    pixels = expected.get("frame_u8")
    if pixels is None:
        pixels = read_clip(CLIPS / "r6_bunny_640x360_20fps_9f.mp4", 1).frames[0]
    images = musiq_input(frame(pixels))
    patches = multiscale_patches((images - 0.5) * 2)
    kept = expected["positions_scales_mask"][0, :, 2] == 1  # the official list is padded with masked patches
    positions, scales, _ = expected["positions_scales_mask"][0, kept].T
    assert patches.positions.tolist() == positions.tolist()
    assert patches.scales.tolist() == scales.tolist()
    official = expected["patches_c_every97"][0, kept]
    assert_close("MUSIQ patches", patches.pixels[0].flatten(1)[:, ::97], official)
    assert_close("MUSIQ score", musiq(images), expected["score"][:, 0])


def test_aesthetic_predictor(network: Callable) -> None:
    expected = vectors("aesthetic_linear")
    assert_close("aesthetic score", network("aesthetic_linear")(expected["features_l2"]), expected["score"][:, 0])


def test_readme_shows_the_table() -> None:
    assert table() in (Path(__file__).parent / "README.md").read_text()
