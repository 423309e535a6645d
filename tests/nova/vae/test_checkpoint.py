"""Loading and saving autoencoders: round trips, shards, old names, and one-line errors that name the culprit."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from nova_bench.nova.errors import CheckpointError, NOVAError
from nova_bench.nova.vae import load_vae, vae_from_config
from tests.nova.vae.test_autoencoders import IMAGE, VIDEO

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module", params=[VIDEO, IMAGE], ids=["video", "image"])
def saved(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("vae")
    torch.manual_seed(0)
    vae_from_config(request.param).save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "vae")


def edit_weights(folder, change):
    weights = load_file(folder / WEIGHTS)
    change(weights)
    save_file(weights, folder / WEIGHTS)


def test_round_trip(folder, tmp_path):
    vae = load_vae(folder)
    vae.save_pretrained(tmp_path / "again")
    again = load_vae(tmp_path / "again")
    assert again.config == vae.config
    assert all(torch.equal(a, b) for a, b in zip(vae.parameters(), again.parameters(), strict=True))
    assert not vae.training
    assert not any(parameter.requires_grad for parameter in vae.parameters())


def test_dtype(folder):
    assert load_vae(folder).dtype == torch.float32
    assert load_vae(folder, torch_dtype=torch.bfloat16, device="cpu").dtype == torch.bfloat16


def test_shards(folder):
    whole = load_vae(folder)
    weights = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    names = {key: f"part-{number % 2}.safetensors" for number, key in enumerate(weights)}
    for shard in set(names.values()):
        save_file({key: value for key, value in weights.items() if names[key] == shard}, folder / shard)
    index = folder / f"{WEIGHTS}.index.json"
    index.write_text(json.dumps({"weight_map": names}))
    sharded = load_vae(folder)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), sharded.parameters(), strict=True))

    (folder / "part-1.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"part-1\.safetensors: shard listed in"):
        load_vae(folder)
    index.write_text(json.dumps({"weight_map": {"a": "../part-0.safetensors"}}))
    with pytest.raises(CheckpointError, match="isn't a plain file name"):
        load_vae(folder)
    index.write_text("{}")
    with pytest.raises(CheckpointError, match="no weight_map"):
        load_vae(folder)


def test_attention_names_of_old_image_checkpoints(tmp_path):
    vae = vae_from_config(IMAGE)
    vae.save_pretrained(tmp_path)
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}

    def rename(weights):
        for key in [key for key in weights if ".attentions.0.to_" in key]:
            tensor, name = weights.pop(key), key
            for new, former in old.items():
                name = name.replace(new, former)
            weights[name] = tensor[..., None, None].clone() if tensor.ndim == 2 else tensor

    edit_weights(tmp_path, rename)
    expected = vae.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in load_vae(tmp_path).state_dict().items())


def one_line(error: pytest.ExceptionInfo) -> str:
    assert isinstance(error.value, NOVAError)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_missing_key(folder):
    edit_weights(folder, lambda weights: (weights.pop("decoder.conv_in.bias"), weights.pop("decoder.conv_in.weight")))
    with pytest.raises(CheckpointError) as error:
        load_vae(folder)
    assert "lack decoder.conv_in.weight and 1 more" in one_line(error)


def test_unexpected_key(folder):
    edit_weights(folder, lambda weights: weights.update(extra=torch.zeros(1)))
    with pytest.raises(CheckpointError) as error:
        load_vae(folder)
    assert one_line(error).endswith(f"{WEIGHTS}: unexpected key extra")


def test_wrong_shape(folder):
    edit_weights(folder, lambda weights: weights.update({"decoder.conv_in.bias": torch.zeros(5)}))
    with pytest.raises(CheckpointError) as error:
        load_vae(folder)
    assert "decoder.conv_in.bias has shape (5,), expected (" in one_line(error)


def test_damaged_weights(folder):
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        load_vae(folder)


def test_pickles_are_not_read(folder):
    (folder / WEIGHTS).unlink()
    (folder / "diffusion_pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(CheckpointError, match="is a pickle and isn't read"):
        load_vae(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "can't be read"),
        ("{", "not valid JSON"),
        ("[]", "found list"),
        ('{"_class_name": "VQModel"}', "_class_name is 'VQModel'"),
    ],
)
def test_config(folder, text, message):
    (folder / "config.json").unlink()
    if text is not None:
        (folder / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match=message) as error:
        load_vae(folder)
    assert "config.json" in one_line(error)
