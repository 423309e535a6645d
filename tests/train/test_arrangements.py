"""Every ablation of the appendix trains by its configuration alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nova_bench.core.progress import Progress
from nova_bench.train.load import load_training
from nova_bench.train.state import read_log

FOLDER = Path(__file__).parents[2] / "suites" / "train"
ABLATIONS = {
    "ablation_default": {"video_mixer_rank": 16},
    "ablation_without_tam": {"temporal_autoregressive": False},
    "ablation_pre_norm": {"norm_placement": "pre"},
    "ablation_post_norm_after_residual": {"norm_placement": "post_after_residual"},
    "ablation_no_scale_shift": {"video_mixer_rank": None},
    "ablation_full_rank": {"video_mixer_rank": -1},
    "ablation_rank_4": {"video_mixer_rank": 4},
    "ablation_rank_8": {"video_mixer_rank": 8},
    "ablation_rank_32": {"video_mixer_rank": 32},
}


def test_every_ablation_is_tested() -> None:
    assert sorted(path.stem for path in FOLDER.glob("ablation_*.yaml")) == sorted(ABLATIONS)


@pytest.mark.parametrize("name", ABLATIONS)
def test_ablation_differs_from_default_in_one_thing(name: str) -> None:
    default, spec = (load_training(str(FOLDER / f"{stem}.yaml")).model_dump() for stem in ("ablation_default", name))
    assert default.pop("name") != spec.pop("name") or name == "ablation_default"
    configs = [dump["transformer"].pop("config") for dump in (default, spec)]
    for dump in (default, spec):
        del dump["title"]
    assert default == spec
    changed = {key for key in configs[0].keys() | configs[1].keys() if configs[0].get(key) != configs[1].get(key)}
    assert changed == (set() if name == "ablation_default" else set(ABLATIONS[name]))


@pytest.mark.parametrize("name", ABLATIONS)
def test_ablation_trains(name: str, trained: Path) -> None:
    """A few steps at micro size, on the micro autoencoder and its latents."""
    from nova_bench.train.run import train

    sizes = (
        f"autoencoder.pretrained={trained / 'checkpoint' / 'vae'}",
        "data={clips: 12, num_frames: 5, size: 32}",
        "transformer.config.video_base_size=[2, 1, 1]",
        "transformer.config.image_base_size=[2, 2]",
        "transformer.config.arch=[vit_d1w16h2, vit_d2w16h2, mlp_d1w16]",
        "transformer.optimization.precision=fp32",
        "transformer.optimization.steps=2",
        "transformer.batch_size=2",
        "text={width: 16, layers: 1, heads: 2}",
    )
    spec = load_training(str(FOLDER / f"{name}.yaml"), sizes)
    done = train(spec, trained.parent, "cpu", Progress(quiet=True))
    assert done.steps == 2
    assert np.isfinite([record["loss"] for record in read_log(trained.parent / spec.name / "transformer.jsonl")]).all()
    config = json.loads((done.checkpoint / "transformer" / "config.json").read_text())
    for key, value in ABLATIONS[name].items():
        assert config.get(key) == value
