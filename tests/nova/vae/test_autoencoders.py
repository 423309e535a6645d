"""The interface that both autoencoders share: shapes, sampling, slicing, tiling, time tiles, settings."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_bench.nova.errors import ArrangementError
from nova_bench.nova.vae import AutoencoderKLOpenSora, vae_from_config
from nova_bench.nova.vae.layers import CausalConv3d

VIDEO = {
    "_class_name": "AutoencoderKLOpenSora",
    "block_out_channels": [8, 16, 8, 8],
    "norm_num_groups": 4,
    "layers_per_block": 1,
}
IMAGE = {
    "_class_name": "AutoencoderKL",
    "block_out_channels": [8, 16],
    "down_block_types": ["DownEncoderBlock2D"] * 2,
    "up_block_types": ["UpDecoderBlock2D"] * 2,
    "norm_num_groups": 4,
    "layers_per_block": 1,
    "scaling_factor": 0.13025,
}


def build(config):
    torch.manual_seed(0)
    return vae_from_config(config).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def video():
    return build(VIDEO)


@pytest.fixture(scope="module")
def image():
    return build(IMAGE)


def test_strides_and_channels(video, image):
    assert (video.spatial_stride, video.temporal_stride, video.latent_channels) == (8, 4, 4)
    assert (image.spatial_stride, image.temporal_stride, image.latent_channels) == (2, 1, 4)


@settings(max_examples=12, deadline=None)
@given(length=st.integers(1, 14), batch=st.integers(1, 2))
def test_decoded_length_is_num_frames(video, length, batch):
    decoded = video.decode(torch.randn(batch, 4, length, 2, 3))
    assert decoded.shape == (batch, 3, video.num_frames(length), 16, 24)


def test_num_frames_counts_complete_tiles(video, image):
    assert [video.num_frames(n) for n in (1, 2, 5, 6, 7, 8, 9, 12, 13)] == [1, 5, 17, 17, 17, 17, 33, 33, 49]
    assert image.num_frames(1) == 1
    with pytest.raises(ArrangementError, match="one frame"):
        image.num_frames(2)


@settings(max_examples=8, deadline=None)
@given(j=st.integers(0, 9))
def test_encoded_length_inverts_num_frames(video, j):
    frames = 1 + 4 * j
    moments = video.moments(torch.randn(1, 3, frames, 16, 16))
    complete = 1 + 4 * (j // 4) if j > 4 else 1 + j
    assert moments.shape == (1, 8, complete, 2, 2)


def test_time_tiles_share_one_frame(video):
    latents, pixels = torch.randn(1, 4, 9, 2, 2), torch.randn(1, 3, 33, 16, 16)
    halves = [video.decode(latents[:, :, :5]), video.decode(latents[:, :, 4:])[:, :, 1:]]
    torch.testing.assert_close(video.decode(latents), torch.cat(halves, dim=2), rtol=0, atol=1e-6)
    halves = [video.moments(pixels[:, :, :17]), video.moments(pixels[:, :, 16:])[:, :, 1:]]
    torch.testing.assert_close(video.moments(pixels), torch.cat(halves, dim=2), rtol=0, atol=1e-6)


def test_an_image_is_a_video_of_one_frame(video):
    pixels, latents = torch.randn(2, 3, 16, 24), torch.randn(2, 4, 2, 3)
    torch.testing.assert_close(video.moments(pixels), video.moments(pixels[:, :, None])[:, :, 0])
    torch.testing.assert_close(video.decode(latents), video.decode(latents[:, :, None])[:, :, 0])


def test_image_autoencoder_drops_the_frame_dimension(image):
    pixels, latents = torch.randn(2, 3, 16, 24), torch.randn(2, 4, 8, 12)
    torch.testing.assert_close(image.moments(pixels[:, :, None]), image.moments(pixels))
    torch.testing.assert_close(image.decode(latents[:, :, None]), image.decode(latents))
    with pytest.raises(ArrangementError, match="one frame, got 3"):
        image.decode(torch.randn(1, 4, 3, 8, 12))


def test_sampling_uses_the_clamped_variance(video):
    pixels = torch.randn(1, 3, 5, 16, 16)
    mean, log_variance = video.moments(pixels).chunk(2, dim=1)
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(3))
    drawn = video.encode(pixels, torch.Generator().manual_seed(3))
    torch.testing.assert_close(drawn, mean + noise * (log_variance.clamp(-30, 20) / 2).exp())


def test_one_generator_per_sample_makes_samples_independent(video):
    pixels = torch.randn(3, 3, 16, 16)
    together = video.encode(pixels, [torch.Generator().manual_seed(seed) for seed in range(3)])
    for seed in range(3):
        alone = video.encode(pixels[seed : seed + 1], torch.Generator().manual_seed(seed))
        torch.testing.assert_close(together[seed : seed + 1], alone)
    with pytest.raises(ValueError, match="2 generators were given for 3 samples"):
        video.encode(pixels, [torch.Generator(), torch.Generator()])


@pytest.mark.parametrize("config", [VIDEO, IMAGE])
def test_slicing_changes_nothing(config):
    vae = build(config)
    shape = (3, 4, 2, 4, 4) if config is VIDEO else (3, 4, 8, 8)
    latents, pixels = torch.randn(shape), torch.randn(3, 3, 16, 16)
    decoded, moments = vae.decode(latents), vae.moments(pixels)
    vae.enable_slicing()
    torch.testing.assert_close(vae.decode(latents), decoded)
    torch.testing.assert_close(vae.moments(pixels), moments)


@pytest.mark.parametrize("config", [VIDEO, IMAGE])
def test_tiling(config):
    vae = build(config)
    frames = (2,) if config is VIDEO else ()
    latents = torch.randn(1, 4, *frames, 10, 14)
    whole = vae.decode(latents)
    vae.enable_tiling(tile=16, overlap=4)
    torch.testing.assert_close(vae.decode(latents), whole)  # one tile covers everything
    vae.enable_tiling(tile=6, overlap=2)
    tiled = vae.decode(latents)
    assert tiled.shape == whole.shape
    # Where nothing is blended a tile's own result stands; statistics per tile differ from those of whole frames.
    corner = 4 * vae.spatial_stride
    alone = vae.decode(latents[..., :6, :6])
    torch.testing.assert_close(tiled[..., :corner, :corner], alone[..., :corner, :corner])
    assert not torch.allclose(tiled, whole)
    pixels = torch.randn(1, 3, 10 * vae.spatial_stride, 14 * vae.spatial_stride)
    assert vae.moments(pixels).shape[-2:] == (10, 14)
    vae.disable_tiling()
    torch.testing.assert_close(vae.decode(latents), whole)
    with pytest.raises(ArrangementError, match="overlap < tile"):
        vae.enable_tiling(tile=4, overlap=4)


def test_tiling_reproduces_what_does_not_depend_on_neighbours(video):
    """Blending weights must sum to one everywhere, at borders and corners too."""
    from nova_bench.nova.vae.tiling import SpatialTiling

    x = torch.rand(2, 3, 23, 17)
    tiling = SpatialTiling(tile=7, overlap=3)
    grown = tiling.apply(lambda tile: tile.repeat_interleave(4, -1).repeat_interleave(4, -2), x, stride=4, up=True)
    torch.testing.assert_close(grown, x.repeat_interleave(4, -1).repeat_interleave(4, -2))
    pixels = torch.rand(2, 3, 92, 68)
    shrunk = tiling.apply(lambda tile: tile[..., ::4, ::4], pixels, stride=4, up=False)
    torch.testing.assert_close(shrunk, pixels[..., ::4, ::4])


@pytest.mark.parametrize("config", [VIDEO, IMAGE])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_result_has_the_type_of_the_network(config, dtype):
    vae = build(config).to(dtype)
    pixels = torch.randn(1, 3, 16, 16)
    assert vae.encode(pixels).dtype == dtype
    assert vae.decode(torch.randn(1, 4, 2, 2)).dtype == dtype


def test_shift_factor(video):
    shifted = build({**VIDEO, "shift_factor": 0.5, "scaling_factor": 2.0})
    z = torch.randn(1, 4, 1, 2, 2)
    torch.testing.assert_close(shifted.scale(z), (z - 0.5) * 2)
    torch.testing.assert_close(shifted.unscale(shifted.scale(z)), z)


def test_quantization_convolutions_are_optional():
    vae = build({**VIDEO, "use_quant_conv": False, "use_post_quant_conv": False})
    assert not [key for key in vae.state_dict() if "quant_conv" in key]
    assert vae.decode(torch.randn(1, 4, 2, 2)).shape == (1, 3, 16, 16)


def test_meta_device_allocates_nothing():
    with torch.device("meta"):
        vae = AutoencoderKLOpenSora.from_config({})
    assert {parameter.device.type for parameter in vae.parameters()} == {"meta"}
    assert vae.decode(torch.empty(1, 4, 2, 4, 4, device="meta")).shape == (1, 3, 5, 32, 32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"block_out_channels": [8, 8]}, "one entry per block"),
        ({"up_block_types": ["UpDecoderBlock2D"] * 4}, "UpDecoderBlock2D"),
        ({"down_block_types": ["DownEncoderBlock3D", *["DownEncoderBlock2D"] * 3]}, "can't follow"),
        ({"act_fn": "gelu"}, "act_fn"),
        ({"norm_num_groups": 5}, "norm_num_groups 5"),
        ({"layers_per_block": 0}, "layers_per_block 0"),
    ],
)
def test_settings_without_a_network_are_named(change, message):
    with pytest.raises(ArrangementError, match=message):
        AutoencoderKLOpenSora({**VIDEO, **change})


def test_faster_convolutions_give_the_same_pixels_and_latents():
    widths = [16, 32, 48, 16]
    vae = build({**VIDEO, "block_out_channels": widths, "norm_num_groups": 8})
    z, x = torch.randn(1, 4, 3, 4, 5), torch.randn(1, 3, 5, 16, 24)
    expected = vae.decode(z), vae.moments(x)
    vae.speed_up()
    replaced = [layer for layer in vae.modules() if isinstance(layer, CausalConv3d) and layer.faster is not None]
    if not replaced:
        pytest.skip("needs a CPU with AMX or AVX2 and a C compiler")
    torch.testing.assert_close((vae.decode(z), vae.moments(x)), expected, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("speed_up", [False, True])
def test_memory_kept_between_calls_changes_nothing(speed_up):
    vae = build({**VIDEO, "block_out_channels": [16] * 4, "norm_num_groups": 8})
    if speed_up:
        vae.speed_up()
    z = torch.randn(2, 4, 3, 4, 5)
    with torch.inference_mode():
        first = vae.decode(z[:1])
    kept = first.clone()
    with torch.no_grad():  # memory from inference mode could not be written to here
        second = vae.decode(z[1:])
    assert torch.equal(first, kept)
    assert not torch.equal(first, second)
    assert torch.equal(vae.decode(z), torch.cat([first, second]))
    if not speed_up:
        torch.testing.assert_close(vae.double().decode(z.double()).float(), vae.float().decode(z), rtol=1e-3, atol=1e-4)
