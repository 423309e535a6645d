"""Read and write model folders: JSON configurations and safetensors; nothing is unpickled or executed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from nova_bench.nova.errors import CheckpointError

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "diffusion_pytorch_model.safetensors"


def read_json(path: str | Path) -> dict[str, Any]:
    """Read a JSON object; anything else is a :class:`CheckpointError` that names the file."""
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"{path}: can't be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise CheckpointError(f"{path}: not valid JSON ({reason})") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{path}: expected a JSON object, found {type(data).__name__}")
    return data


def write_json(path: str | Path, data: Mapping[str, Any]) -> None:
    """Write a JSON object, creating the folder."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def weight_files(folder: Path, name: str = WEIGHTS_NAME) -> list[Path]:
    """The safetensors files of a model folder: the single one ``name``, or the shards its index lists."""
    single, index = folder / name, folder / f"{name}.index.json"
    if single.is_file():
        return [single]
    if not index.is_file():
        raise CheckpointError(f"{folder}: neither {name} nor {index.name} is there{what_lies_beside(folder, name)}")
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{index}: has no weight_map")
    names = sorted(set(map(str, weight_map.values())))
    for shard in names:
        if Path(shard).name != shard:  # a shard name is data from a file: it must not lead out of the folder
            raise CheckpointError(f"{index}: shard name {shard!r} isn't a plain file name")
        if not (folder / shard).is_file():
            raise CheckpointError(f"{folder / shard}: shard listed in {index.name} is missing")
    return [folder / shard for shard in names]


def what_lies_beside(folder: Path, name: str) -> str:
    """Say which file is there instead of the weights ``name`` and what to do with it; empty if there is none."""
    others = sorted(path.name for path in folder.glob("*.safetensors*"))
    variants = [other for other in others if other.startswith(f"{Path(name).stem}.")]
    if whole := [other for other in variants if other.endswith(".safetensors") and "-of-" not in other]:
        return f"; {whole[0]} is there, a variant: rename it to {name} (only one precision is read, and cast)"
    if index := [other for other in variants if other.endswith(".json")]:
        return f"; {index[0]} is there, the index of a variant: rename it to {name}.index.json"
    if others:
        return f"; {others[0]} is there: rename it to {name} if it holds these weights"
    if pickled := sorted(path.name for path in folder.glob("*.bin")):
        return f"; {pickled[0]} is a pickle and isn't read, convert it to safetensors"
    return ""


def read_weights(
    folder: str | Path,
    expected: Mapping[str, Tensor],
    name: str = WEIGHTS_NAME,
    rename: Callable[[str], str | None] = lambda key: key,
    dtype: torch.dtype | None = None,
    device: str | torch.device = "cpu",
) -> dict[str, Tensor]:
    """Read a folder's weights and check them against a model's names and shapes.

    ``expected`` is the model's state dict (it may be on the meta device). ``rename`` maps a stored key to the model's,
    or to None for a weight to skip. Floating-point weights become ``dtype``, one by one, on ``device``.
    Raises :class:`CheckpointError` naming the file and the first missing, unexpected or ill-shaped key.
    """
    weights: dict[str, Tensor] = {}
    for path, stored, tensor in _tensors(weight_files(Path(folder), name), device):
        key = rename(stored)
        if key is None:
            continue
        if key not in expected:
            raise CheckpointError(f"{path}: unexpected key {stored}")
        shape = tuple(expected[key].shape)
        if tensor.ndim == 4 and tensor.shape[2:] == (1, 1) and tensor.shape[:2] == shape:
            tensor = tensor.flatten(1)  # attention of old 2D autoencoders stored its projections as 1x1 convolutions
        if tuple(tensor.shape) != shape:
            raise CheckpointError(f"{path}: {stored} has shape {tuple(tensor.shape)}, expected {shape}")
        # A copy, so that the weights are aligned in memory (kernels may round unaligned ones differently) and the file
        # can be closed.
        weights[key] = tensor.to(dtype=dtype if tensor.is_floating_point() else None, copy=True)
    missing = [key for key in expected if key not in weights]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise CheckpointError(f"{folder}: weights lack {missing[0]}{more}")
    return weights


def _tensors(paths: list[Path], device: str | torch.device) -> Iterator[tuple[Path, str, Tensor]]:
    for path in paths:
        try:
            with safe_open(path, framework="pt", device=str(device)) as file:
                for stored in file.keys():  # noqa: SIM118  (a safetensors handle isn't a mapping)
                    yield path, stored, file.get_tensor(stored)
        except (OSError, SafetensorError) as error:
            if isinstance(error, CheckpointError):
                raise
            raise CheckpointError(f"{path}: not a readable safetensors file ({error})") from error


def write_weights(folder: str | Path, state_dict: Mapping[str, Tensor], name: str = WEIGHTS_NAME) -> None:
    """Write one safetensors file that :func:`read_weights` finds again."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    tensors = {key: value.detach().cpu().contiguous() for key, value in state_dict.items()}
    save_file(tensors, Path(folder) / name, metadata={"format": "pt"})
