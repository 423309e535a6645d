from __future__ import annotations

import json

import pytest

from nova_bench.nova import ArchitectureError, CheckpointError, ConfigError, NOVAConfig
from nova_bench.nova.config import parse_arch
from nova_bench.nova.published import PUBLISHED, published
from tests.nova.small import CONFIG

OSP480 = {
    "image_dim": 4,
    "image_size": [480, 768],
    "image_stride": 8,
    "text_token_dim": 2560,
    "text_token_len": 256,
    "video_mixer_rank": 24,
    "video_base_size": [16, 15, 24],
    "image_base_size": [30, 48],
    "arch": ["vit_d16w1024", "vit_d32w1024", "mlp_d3w1280"],
}


def test_published_config_file_is_read_as_it_is(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(OSP480))
    config = NOVAConfig.from_file(path)
    assert config == published("nova-d48w1024-osp480").transformer
    assert (config.latent_size, config.patch_size, config.patch_values) == ((60, 96), 2, 16)
    assert (config.num_image_tokens, config.num_video_tokens) == (1440, 360)
    assert config.to_dict() == OSP480


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_config_survives_its_json_form(name):
    config = published(name).transformer
    assert NOVAConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_arrangement_is_recorded_only_where_it_differs():
    config = CONFIG.with_arrangement(norm_placement="pre", temporal_autoregressive=False)
    data = config.to_dict()
    assert data["norm_placement"] == "pre"
    assert data["temporal_autoregressive"] is False
    assert "norm_placement" not in CONFIG.to_dict()
    assert NOVAConfig.from_dict(data) == config


def test_int_image_size_zero_rank_and_metadata():
    square = {**OSP480, "image_size": 1024, "video_base_size": [1, 32, 32], "image_base_size": [64, 64]}
    config = NOVAConfig.from_dict({**square, "video_mixer_rank": 0, "_diffusers_version": "0.31"})
    assert config.image_size == (1024, 1024)
    assert config.video_mixer_rank is None
    assert not config.has_motion


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vit_d16w768", (16, 768, 12)),
        ("vit_d32w1536", (32, 1536, 16)),
        ("vit_d2w48h4", (2, 48, 4)),
        ("vit_d8w256", (8, 256, 4)),
        ("mlp_d6w1024", (6, 1024, 0)),
    ],
)
def test_arch_names(name, expected):
    size = parse_arch(name)
    assert (size.depth, size.width, size.heads) == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arch": ["vit_d16w1024", "vit_d32w768", "mlp_d3w1280"]}, "one width"),
        ({"arch": ["vit_d16w1024", "mlp_d3w1280", "mlp_d3w1280"]}, "two vit_ names"),
        ({"arch": ["resnet50", "vit_d32w1024", "mlp_d3w1280"]}, "unknown arch 'resnet50'"),
        ({"arch": ["vit_d16w1024h3", "vit_d32w1024", "mlp_d3w1280"]}, "not a multiple of 3 heads"),
        ({"image_base_size": [30, 47]}, "image_base_size"),
        ({"video_base_size": [16, 15, 25]}, "video_base_size"),
        ({"video_mixer_rnk": 3}, "did you mean 'video_mixer_rank'"),
        ({"image_stride": None}, "'image_stride' is missing"),
        ({"norm_placement": "none"}, "norm_placement 'none'"),
        ({"video_base_size": [15, 24]}, "arch 3"),
    ],
)
def test_impossible_configs_are_one_line_errors(change, message):
    with pytest.raises(ConfigError, match=message) as caught:
        NOVAConfig.from_dict({**OSP480, **change})
    assert "\n" not in str(caught.value)


def test_rotary_needs_fitting_heads():
    with pytest.raises(ConfigError, match="multiple of 32"):
        NOVAConfig.from_dict({**OSP480, "arch": ["vit_d2w48h1", "vit_d2w48h1", "mlp_d2w48"], "rotary_pos_embed": True})


def test_another_architecture_and_unreadable_files(tmp_path):
    with pytest.raises(ArchitectureError, match="UNet2DConditionModel"):
        NOVAConfig.from_dict({**OSP480, "_class_name": "UNet2DConditionModel"})
    with pytest.raises(CheckpointError, match=r"config\.json"):
        NOVAConfig.from_file(tmp_path / "config.json")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="not valid JSON"):
        NOVAConfig.from_file(tmp_path / "config.json")
    with pytest.raises(ConfigError, match="nova-d48w1024-osp480"):
        published("nova-d48w9999")
