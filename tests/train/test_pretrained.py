"""Trainings that go on from a finished checkpoint, in another run and under other settings."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nova_bench.core.errors import UserError
from nova_bench.core.progress import Progress
from nova_bench.nova.vae import vae_from_config
from nova_bench.train import measure
from nova_bench.train.card import make_card
from nova_bench.train.run import train
from nova_bench.train.state import read_log
from tests.nova.vae.test_autoencoders import IMAGE

FROM = (
    "autoencoder.optimization=null",
    "transformer.optimization.steps=2",
    "transformer.optimization.warmup_steps=0",
)


def from_checkpoint(micro, trained: Path, *assignments: str):
    folder = trained / "checkpoint"
    return micro(
        "name=longer",
        f"autoencoder.pretrained={folder / 'vae'}",
        f"transformer.pretrained={folder}",
        *FROM,
        *assignments,
    )


def weights(checkpoint: Path, part: str) -> dict[str, torch.Tensor]:
    (path,) = (checkpoint / part).glob("*.safetensors")
    return load_file(path)


def test_it_begins_with_the_weights_of_the_checkpoint(micro, finish, trained: Path, tmp_path: Path) -> None:
    """Steps of almost no length leave them where they were; the same from random weights ends elsewhere."""
    still = ("transformer.optimization.learning_rate=1e-12",)
    end = finish(from_checkpoint(micro, trained, *still), tmp_path / "a") / "checkpoint"
    for part in ("transformer", "text_encoder"):
        before, after = weights(trained / "checkpoint", part), weights(end, part)
        for key, value in before.items():
            torch.testing.assert_close(after[key], value, rtol=0, atol=1e-6)
    random = finish(from_checkpoint(micro, trained, *still, "transformer.pretrained=null"), tmp_path / "b")
    key = "image_encoder.blocks.0.mlp.fc1.weight"
    before = weights(trained / "checkpoint", "transformer")[key]
    assert not torch.equal(weights(random / "checkpoint", "transformer")[key], before)


def test_a_pretrained_decoder_goes_on_alone(micro, finish, trained: Path, tmp_path: Path) -> None:
    changes = ("autoencoder.decoder_optimization={steps: 2, learning_rate: 0.01, warmup_steps: 0}",)
    end = finish(from_checkpoint(micro, trained, *changes), tmp_path) / "checkpoint"
    before, after = weights(trained / "checkpoint", "vae"), weights(end, "vae")
    moved = {key.split(".")[0] for key, value in before.items() if not torch.equal(after[key], value)}
    assert moved == {"decoder", "post_quant_conv"}


def test_images_are_part_of_the_first_frames_loss(micro, finish, trained: Path, tmp_path: Path) -> None:
    logs = {}
    for images in (0, 8):
        spec = from_checkpoint(micro, trained, f"transformer.images={images}")
        logs[images] = read_log(finish(spec, tmp_path / str(images)) / "transformer.jsonl")[0]
    assert logs[8]["loss_t2i"] != logs[0]["loss_t2i"]
    assert logs[8]["loss_i2i"] == logs[0]["loss_i2i"]
    assert logs[8]["loss"] == pytest.approx(logs[8]["loss_t2i"] + logs[8]["loss_i2i"], rel=1e-5)


def test_the_card_tells_all_stages(
    micro, finish, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("num_inference_steps", "num_diffusion_steps"):
        monkeypatch.setitem(measure.SAMPLING, key, 2)
    first = tmp_path / "first"
    shutil.copytree(trained, first)
    make_card(micro(), first / "checkpoint", 1, Progress(quiet=True))
    spec = from_checkpoint(micro, first)
    second = finish(spec, tmp_path) / "checkpoint"
    make_card(spec, second, 1, Progress(quiet=True))
    stages = json.loads((second / "stages.json").read_text())
    assert [(stage["training"], stage["stage"], stage["steps"]) for stage in stages] == [
        ("micro", "autoencoder", 10),
        ("micro", "transformer", 50),
        ("longer", "transformer", 2),
    ]
    assert (second / "losses_before.png").read_bytes() == (first / "checkpoint" / "losses.png").read_bytes()
    card = (second / "README.md").read_text()
    assert "continued from a trained checkpoint" in card
    assert "(losses_before.png)" in card


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("transformer.pretrained=/nowhere", "transformer.pretrained: .*nowhere"),
        ("transformer.config.arch=[vit_d1w16h2, vit_d3w16h2, mlp_d1w16]", "the transformer of .* is another network"),
        ("text.layers=2", "the text_encoder of .* is another network"),
    ],
)
def test_what_does_not_fit_is_one_line(micro, trained: Path, tmp_path: Path, assignment: str, message: str) -> None:
    from nova_bench.train.run import train

    with pytest.raises(UserError, match=message) as caught:
        train(from_checkpoint(micro, trained, assignment), tmp_path, "cpu", Progress(quiet=True))
    assert "\n" not in str(caught.value)


def test_an_autoencoder_of_single_images_is_refused(micro, tmp_path: Path) -> None:
    vae_from_config(IMAGE).save_pretrained(tmp_path / "vae")
    with pytest.raises(UserError, match="AutoencoderKL, which encodes single images"):
        train(micro(f"autoencoder.pretrained={tmp_path / 'vae'}", *FROM), tmp_path, "cpu", Progress(quiet=True))
