"""Autoencoders against vectors of the official implementation (float32, CPU) and against diffusers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nova_bench.nova.vae import AutoencoderKLOpenSora, load_vae, vae_from_config
from tests.parity.tolerances import assert_close

VECTORS = Path(__file__).parent / "vectors"
SAMPLE_SEED = 42
DECODED = {
    "1x4x3x4x6": (1, 3, 9, 32, 48),
    "1x4x1x4x6": (1, 3, 1, 32, 48),
    "1x4x4x6": (1, 3, 32, 48),
    "2x4x6x4x4": (2, 3, 17, 32, 32),
    "1x4x9x4x4": (1, 3, 33, 32, 32),
}
SMALL_KL = {
    "_class_name": "AutoencoderKL",
    "block_out_channels": [32, 64],
    "down_block_types": ["DownEncoderBlock2D"] * 2,
    "up_block_types": ["UpDecoderBlock2D"] * 2,
    "layers_per_block": 1,
    "scaling_factor": 0.13025,
    "shift_factor": 0.25,
}
PUBLISHED_KL = {
    "_class_name": "AutoencoderKL",
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
    "scaling_factor": 0.13025,
}


@pytest.fixture(scope="module")
def vectors() -> dict[str, torch.Tensor]:
    return load_file(VECTORS / "vae_opensora" / "vectors.safetensors")


@pytest.fixture(scope="module")
def vae() -> AutoencoderKLOpenSora:
    # The weights are stored in bfloat16, in which they are exact.
    return load_vae(VECTORS / "vae_opensora" / "vae", torch_dtype=torch.float32)


@pytest.mark.parametrize("case", DECODED)
def test_decode_matches_official(vae, vectors, case):
    decoded = vae.decode(vectors[f"decode.{case}.in"])
    assert tuple(decoded.shape) == DECODED[case]
    if f"decode.{case}.out" in vectors:
        assert_close("decoded", decoded, vectors[f"decode.{case}.out"])
    else:
        assert_close("decoded", decoded[..., ::4, ::4], vectors[f"decode.{case}.out.every4"])


@pytest.mark.parametrize("case", ["1x3x9x32x48", "1x3x32x48"])
def test_encode_matches_official(vae, vectors, case):
    pixels = vectors[f"encode.{case}.in"]
    assert_close("decoded", vae.moments(pixels), vectors[f"encode.{case}.moments"])
    generator = torch.Generator().manual_seed(SAMPLE_SEED)
    assert_close("decoded", vae.encode(pixels, generator), vectors[f"encode.{case}.sample"])


def test_scale_and_unscale_match_official(vae, vectors):
    assert_close("decoded", vae.unscale(vectors["unscale.in"]), vectors["unscale.out"])
    assert_close("decoded", vae.scale(vectors["unscale.in"]), vectors["scale.out"])


@pytest.mark.parametrize("config", [{"_class_name": "AutoencoderKLOpenSora"}, PUBLISHED_KL])
def test_state_dict_is_the_published_one(config):
    listing = (VECTORS / "vae_state_dicts" / f"{config['_class_name']}.txt").read_text().splitlines()
    with torch.device("meta"):
        model = vae_from_config(config)
    found = {key: "x".join(map(str, value.shape)) for key, value in model.state_dict().items()}
    assert found == dict(line.split() for line in listing)


def test_image_autoencoder_matches_diffusers(tmp_path):
    from diffusers import AutoencoderKL

    torch.manual_seed(0)
    settings = {key: value for key, value in SMALL_KL.items() if key != "_class_name"}
    reference = AutoencoderKL(**settings).eval()
    reference.save_pretrained(tmp_path)
    ours = load_vae(tmp_path)
    pixels, latents = torch.randn(2, 3, 32, 48), torch.randn(2, 4, 16, 24)
    with torch.no_grad():
        assert_close("decoded", ours.decode(latents), reference.decode(latents).sample)
        assert_close("decoded", ours.decode(latents.unsqueeze(2)), reference.decode(latents).sample)
        posterior = reference.encode(pixels).latent_dist
        expected = posterior.sample(torch.Generator().manual_seed(SAMPLE_SEED))
        assert_close("decoded", ours.moments(pixels), posterior.parameters)
        assert_close("decoded", ours.encode(pixels, torch.Generator().manual_seed(SAMPLE_SEED)), expected)
    assert_close("decoded", ours.scale(latents), (latents - 0.25) * 0.13025)
    assert_close("decoded", ours.unscale(ours.scale(latents)), latents)
