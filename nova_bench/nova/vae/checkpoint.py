"""Reading and writing a Diffusers model folder: ``config.json`` and safetensors weights, nothing that is unpickled."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from nova_bench.nova.errors import CheckpointError

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "diffusion_pytorch_model.safetensors"


def read_config(path: Path) -> dict[str, Any]:
    """Read a JSON object; anything else is a CheckpointError that names the file."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"{path}: can't be read ({error.strerror or error})") from error
    except ValueError as error:
        raise CheckpointError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{path}: expected a JSON object, found {type(config).__name__}")
    return config


def _weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a folder: the single one, or the shards that the index names."""
    single, index = folder / WEIGHTS_NAME, folder / f"{WEIGHTS_NAME}.index.json"
    if single.is_file():
        return [single]
    if not index.is_file():
        pickled = next(iter(sorted(folder.glob("*.bin"))), None)
        hint = f"; {pickled.name} is a pickle and isn't read, convert it to safetensors" if pickled else ""
        raise CheckpointError(f"{folder}: neither {WEIGHTS_NAME} nor {index.name} is there{hint}")
    weight_map = read_config(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{index}: has no weight_map")
    names = sorted(set(weight_map.values()))
    for name in names:
        # A shard name is data from a file: it must not lead out of the folder.
        if not isinstance(name, str) or Path(name).name != name:
            raise CheckpointError(f"{index}: shard name {name!r} isn't a plain file name")
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder / name}: shard named by {index.name} is missing")
    return [folder / name for name in names]


def read_weights(
    folder: Path, expected: Mapping[str, torch.Tensor], rename: Callable[[str], str] = lambda key: key
) -> dict[str, torch.Tensor]:
    """Read the weights of a model folder and check them against the keys and shapes of a model.

    Args:
        folder: holds ``diffusion_pytorch_model.safetensors`` or its sharded form with an index.
        expected: the state dict to match; only names and shapes are looked at, so it may be on the meta device.
        rename: maps a stored key to today's name, for checkpoints written by older library versions.

    Raises:
        CheckpointError: naming the file and the first missing, unexpected or ill-shaped key.
    """
    weights: dict[str, torch.Tensor] = {}
    for path in _weight_files(folder):
        try:
            with safe_open(path, framework="pt") as file:
                for stored in file.keys():  # noqa: SIM118  (a safetensors handle isn't a mapping)
                    key, tensor = rename(stored), file.get_tensor(stored)
                    if key not in expected:
                        raise CheckpointError(f"{path}: unexpected key {stored}")
                    shape = tuple(expected[key].shape)
                    # Old 2D attention stored its projections as 1x1 convolutions.
                    if tensor.ndim == 4 and tensor.shape[2:] == (1, 1) and tensor.shape[:2] == shape:
                        tensor = tensor.flatten(1)
                    if tuple(tensor.shape) != shape:
                        raise CheckpointError(f"{path}: {stored} has shape {tuple(tensor.shape)}, expected {shape}")
                    weights[key] = tensor
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"{path}: not a readable safetensors file ({error})") from error
    missing = [key for key in expected if key not in weights]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise CheckpointError(f"{folder}: weights lack {missing[0]}{more}")
    return weights


def write_model(folder: str | Path, config: Mapping[str, Any], state_dict: Mapping[str, torch.Tensor]) -> None:
    """Write ``config.json`` and ``diffusion_pytorch_model.safetensors`` so that ``read_weights`` finds them again."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG_NAME).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    tensors = {key: value.detach().cpu().contiguous() for key, value in state_dict.items()}
    save_file(tensors, folder / WEIGHTS_NAME, metadata={"format": "pt"})
