"""The pictures of a model card."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from nova_bench.train.card import SAMPLES, SAMPLING, draw_card


def test_card_shows_losses_and_samples(micro, trained: Path, monkeypatch) -> None:
    for key in ("num_inference_steps", "num_diffusion_steps"):
        monkeypatch.setitem(SAMPLING, key, 2)
    draw_card(micro(), trained / "checkpoint")
    with Image.open(trained / "checkpoint" / "samples.png") as picture:
        assert picture.size == (2 * 32, SAMPLES * 32)  # frames 0 and 4 of five
    with Image.open(trained / "checkpoint" / "losses.png") as picture:
        assert len(picture.convert("L").getcolors()) > 10
