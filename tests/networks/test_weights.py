"""Official weight files are read without running them, and what is wrong with one is told in a line."""

from __future__ import annotations

import os
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nova_bench.core.errors import UserError
from nova_bench.networks.aesthetic import AestheticPredictor
from nova_bench.networks.clip import CLIPConfig, CLIPImageEncoder, load_image_encoder
from nova_bench.networks.raft import RAFT
from nova_bench.networks.weights import load_network, read_state_dict, settle

TINY = CLIPConfig(patch=112, width=64, depth=2, features=3)


def tiny_clip() -> CLIPImageEncoder:
    encoder = CLIPImageEncoder(TINY)
    draw = torch.Generator().manual_seed(0)
    for parameter in encoder.parameters():
        parameter.data = torch.randn(parameter.shape, generator=draw) / 8
    return encoder.eval()


def _settled(encoder: CLIPImageEncoder) -> CLIPImageEncoder:
    settle(encoder)
    return encoder


class Script(nn.Module):
    """Something TorchScript can save, with the tree and the types of a published CLIP archive."""

    def __init__(self, visual: nn.Module):
        super().__init__()
        self.visual = visual
        self.logit_scale = nn.Parameter(torch.ones([]))
        self.sizes = [1, 2]
        self.register_buffer("input_resolution", torch.tensor(224))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


@pytest.fixture
def archive(tmp_path: Path) -> tuple[Path, CLIPImageEncoder]:
    """A TorchScript archive in float16, as OpenAI publishes CLIP."""
    encoder = tiny_clip()
    path = tmp_path / "clip.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer torch versions advise against TorchScript
        torch.jit.script(Script(_holder(encoder))).save(str(path))
    return path, encoder


def _holder(module: nn.Module) -> nn.Module:
    """The same tree of parameters in modules that TorchScript can compile, in float16."""
    root = nn.Module()
    for name, parameter in module.named_parameters():
        *path, leaf = name.split(".")
        place = root
        for part in path:
            if not hasattr(place, part):
                place.add_module(part, nn.Module())
            place = getattr(place, part)
        place.register_parameter(leaf, nn.Parameter(parameter.detach().half()))
    return root


def test_clip_comes_out_of_a_torchscript_archive(archive: tuple[Path, CLIPImageEncoder]) -> None:
    path, encoder = archive
    loaded = load_image_encoder(TINY, path, half=False)
    _settled(encoder.half().float())
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(loaded(images), encoder(images))
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_all_tensors_of_an_archive_are_read(archive: tuple[Path, CLIPImageEncoder]) -> None:
    state = read_state_dict(archive[0])
    assert state["input_resolution"].item() == 224
    assert state["logit_scale"].shape == ()
    assert {key for key in state if not key.startswith("visual.")} == {"input_resolution", "logit_scale"}


class Bomb:
    """Unpickled by Python's own rules it makes a folder."""

    def __init__(self, place: Path):
        self.place = place

    def __reduce__(self) -> tuple[Callable, tuple]:
        return os.mkdir, (str(self.place),)


@pytest.mark.parametrize("kind", ["archive", "pickle"])
def test_a_file_that_wants_to_run_something_is_refused(tmp_path: Path, kind: str) -> None:
    path, place = tmp_path / "weights.pth", tmp_path / "made"
    if kind == "pickle":
        torch.save({"weight": Bomb(place)}, path)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a/constants.pkl", b"")
            archive.writestr("a/data.pkl", pickle.dumps(Bomb(place), protocol=2))
    with pytest.raises(UserError, match=r"weights.pth: can't be read as weights"):
        read_state_dict(path)
    assert not place.exists()


def _saved(path: Path, state: Any) -> Path:
    torch.save(state, path)
    return path


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"weight": torch.zeros(1, 768)}, "lacks bias"),
        ({"weight": torch.zeros(1, 512), "bias": torch.zeros(1)}, r"weight has shape \(1, 512\), expected \(1, 768\)"),
        (
            {"weight": torch.zeros(1, 768), "bias": torch.zeros(1), "more": torch.zeros(1)},
            "more is not a weight of Aest",
        ),
        ({"weight": 3}, "contains no state dict"),
        ([torch.zeros(1)], "contains no state dict"),
    ],
)
def test_wrong_files_are_named_with_their_key(tmp_path: Path, state: Any, message: str) -> None:
    with pytest.raises(UserError, match=f"w.pth: {message}") as caught:
        load_network(AestheticPredictor, _saved(tmp_path / "w.pth", state))
    assert "assets fetch" in caught.value.remedy


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\x03\x04 cut off"])
def test_what_is_no_weight_file_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"w.pth: can't be read as weights"):
        read_state_dict(path)


def test_weights_with_other_things_around_them_or_alone(tmp_path: Path) -> None:
    state = {"weight": torch.ones(1, 768), "bias": torch.ones(1)}
    path = _saved(tmp_path / "w.pth", {"state_dict": state, "epoch": 3})
    assert load_network(AestheticPredictor, path, entry="state_dict").bias.item() == 1.0
    assert load_network(AestheticPredictor, _saved(path, state), entry="state_dict").bias.item() == 1.0
    with pytest.raises(UserError, match=r"w.pth: contains no state dict"):
        load_network(AestheticPredictor, _saved(path, {"weights": state}), entry="state_dict")


def test_raft_takes_both_ways_its_files_name_weights() -> None:
    names = ["fnet.conv1.weight", "cnet.layer2.0.downsample.1.bias", "cnet.layer2.0.norm3.bias"]
    plain = {name: torch.zeros(1) for name in names}
    parallel = {f"module.{name}": torch.zeros(1) for name in names}
    assert set(RAFT.official_keys(plain)) == set(RAFT.official_keys(parallel)) == set(names[:2])


def test_half_precision_is_clips_own_mixture(tmp_path: Path) -> None:
    encoder = tiny_clip()
    path = _saved(tmp_path / "w.pth", {f"visual.{key}": value for key, value in encoder.state_dict().items()})
    half = load_image_encoder(TINY, path, half=True)
    _settled(encoder)
    types = {name: parameter.dtype for name, parameter in half.named_parameters()}
    assert {name for name, dtype in types.items() if dtype == torch.float32} == {
        name for name in types if "ln_" in name or name.endswith("_embedding")
    }
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        rough, exact = half(images), encoder(images)
    assert rough.dtype == torch.float16
    assert 0 < (rough.float() - exact).abs().max() < 2e-2 * exact.abs().max()
