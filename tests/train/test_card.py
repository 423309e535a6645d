"""The pictures and measurements of a model card."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nova_bench.core.progress import Progress
from nova_bench.train import measure
from nova_bench.train.card import SAMPLES, make_card


def test_card_shows_losses_samples_and_measurements(micro, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("num_inference_steps", "num_diffusion_steps"):
        monkeypatch.setitem(measure.SAMPLING, key, 2)
    folder = trained / "checkpoint"
    make_card(micro(), folder, 3, Progress(quiet=True))
    with Image.open(folder / "samples.png") as picture:
        assert picture.size == (2 * 32, SAMPLES * 32)  # frames 0 and 4 of five
    with Image.open(folder / "losses.png") as picture:
        assert len(picture.convert("L").getcolors()) > 10
    measured = json.loads((folder / "measured.json").read_text())
    assert measured["samples"] == 3
    for values in measured["text_to_video"].values():
        several = [entry for entry in values.values() if entry[3] > 1]
        assert all(0 <= low <= share <= high <= 1 and low < high and n <= 3 for share, low, high, n in several)
        assert all(entry[1:] == [None, None, 1] for entry in values.values() if entry not in several)
    found = measured["image_to_video"]  # a few steps of training can't beat standing still
    assert 1 <= found["model"][3] <= 3
    assert found["first frame repeated"][0] > found["model"][0]
    card = (folder / "README.md").read_text()
    assert "| transformer" in card
    assert f"{found['first frame repeated'][0]:.2f}" in card


def test_truth_is_found_true(micro) -> None:
    """The judge confirms captions of real clips, and refutes them of others."""
    from nova_bench.train.data import open_world
    from nova_bench.train.spec import DataSpec

    world = open_world(DataSpec(split="test"))
    clips = [world[i] for i in range(12)]
    captions, videos = [clip.caption for clip in clips], [clip.frames for clip in clips]
    right, wrong = measure._shares(captions, videos), measure._shares(captions, videos[1:] + videos[:1])
    assert min(right[name][0] for name in ("color", "shape", "motion")) >= 0.75
    assert wrong["color"][0] < 0.5
    assert right["color"][1] < right["color"][0] <= right["color"][2]


def test_the_untrained_network_is_untrained_and_leaves_no_trace(micro, trained: Path) -> None:
    from nova_bench.nova.pipeline import NOVAPipeline

    pipeline = NOVAPipeline.from_pretrained(trained / "checkpoint")
    weight = pipeline.transformer.image_decoder.head.weight
    before = weight.detach().clone()
    with measure._untrained(pipeline, micro()):
        assert not weight.equal(before)
    assert weight.equal(before)


def test_psnr_is_that_of_its_definition() -> None:
    video = np.full((3, 4, 4, 3), 100, np.uint8)
    other = video.copy()
    other[0] = 0  # the given first frame doesn't count
    other[1:] += 10
    assert measure._psnr([video, other], [video, video], [1])[0] == pytest.approx(10 * np.log10(255**2 / 100), abs=0.01)
