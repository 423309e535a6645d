"""Every ablation of the appendix trains by its configuration alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nova_bench.core.progress import Progress
from nova_bench.train.load import load_training, load_trainings
from nova_bench.train.state import read_log

FOLDER = Path(__file__).parents[2] / "suites" / "train"
RANK_16, BEFORE_SUM, WITH_TAM = "ablation_default", "norm_before_sum", "tam_with"
ABLATIONS = {
    RANK_16: (RANK_16, {"video_mixer_rank": 16}),
    "ablation_no_scale_shift": (RANK_16, {"video_mixer_rank": None}),
    "ablation_rank_4": (RANK_16, {"video_mixer_rank": 4}),
    "ablation_full_rank": (RANK_16, {"video_mixer_rank": -1}),
    BEFORE_SUM: (BEFORE_SUM, {}),
    "norm_after_sum": (BEFORE_SUM, {"norm_placement": "post_after_residual"}),
    "norm_pre": (BEFORE_SUM, {"norm_placement": "pre"}),
    WITH_TAM: (WITH_TAM, {}),
    "tam_without": (WITH_TAM, {"temporal_autoregressive": False}),
}


def test_every_ablation_is_tested() -> None:
    trained = {spec.name.removesuffix(f"-s{spec.seed}") for spec in load_trainings("ablations")}
    assert {name for name in trained if "-unclipped-" not in name} == {name.replace("_", "-") for name in ABLATIONS}


@pytest.mark.parametrize("name", ABLATIONS)
def test_ablation_differs_from_its_reference_in_one_thing(name: str) -> None:
    reference, changes = ABLATIONS[name]
    both = [load_training(str(FOLDER / f"{stem}.yaml")).model_dump() for stem in (reference, name)]
    configs = [dump["transformer"].pop("config") for dump in both]
    for dump in both:
        del dump["title"], dump["name"]
    assert both[0] == both[1]
    changed = {key for key in configs[0].keys() | configs[1].keys() if configs[0].get(key) != configs[1].get(key)}
    assert changed == (set() if name == reference else set(changes))


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
        "transformer.pretrained=null",
        "transformer.optimization.precision=fp32",
        "transformer.optimization.steps=2",
        "transformer.batch_size=2",
        "text={width: 16, layers: 1, heads: 2}",
        "held_out={clips: 1, mask_ratios: [1.0], repeat: 1, num_inference_steps: 1, num_diffusion_steps: 1}",
    )
    spec = load_training(str(FOLDER / f"{name}.yaml"), sizes)
    done = train(spec, trained.parent, "cpu", Progress(quiet=True))
    assert done.steps == 2
    assert np.isfinite([record["loss"] for record in read_log(trained.parent / spec.name / "transformer.jsonl")]).all()
    config = json.loads((done.checkpoint / "transformer" / "config.json").read_text())
    for key, value in ABLATIONS[name][1].items():
        assert config.get(key) == value
