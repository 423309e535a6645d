"""Loads official weight files into modules without running any code from a file."""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from nova_bench.core.errors import UserError

Module = TypeVar("Module", bound=nn.Module)
_GROUP = 2**29
"""Bytes of a file that are mapped at a time."""


def load_network(
    make: Callable[[], Module],
    path: Path,
    keys: Callable[[Mapping[str, Tensor]], dict[str, Tensor]] = dict,
    entry: str | tuple[str, ...] = (),
) -> Module:
    """``make()`` with the weights of ``path``, in float32 on the CPU, ready for inference.

    ``keys`` turns the file's names into the module's. ``entry`` is the key of the state dict in files that may
    contain more. Every weight must be there with the right shape, and nothing else: UserErrors name file and key.
    """
    state = keys(read_state_dict(path, entry))
    with torch.device("meta"):  # skips initializing weights that are replaced at once
        module = make()
    expected = module.state_dict()
    for key, tensor in expected.items():
        if key not in state:
            raise _wrong(path, f"lacks {key}")
        if state[key].shape != tensor.shape:
            raise _wrong(path, f"{key} has shape {tuple(state[key].shape)}, expected {tuple(tensor.shape)}")
    if unknown := [key for key in state if key not in expected]:
        raise _wrong(path, f"{unknown[0]} is not a weight of {type(module).__name__}")
    copies: dict[str, Tensor] = {}
    for group in _groups(state):
        if copies:  # what has been read of a mapped file stays in memory until its last tensor is gone
            del state
            state = keys(read_state_dict(path, entry))
        # Copies: the file may change while it is mapped.
        copies |= {key: _copied(state[key]) for key in group}
    del state
    module.load_state_dict(copies, assign=True)
    settle(module)
    return module.float().eval().requires_grad_(False)


def _groups(state: Mapping[str, Tensor]) -> list[list[str]]:
    """The names in order, in groups of tensors that together take up to ``_GROUP`` bytes."""
    groups: list[list[str]] = [[]]
    left = _GROUP
    for key, tensor in state.items():
        if tensor.nbytes > left and groups[-1]:
            groups.append([])
            left = _GROUP
        groups[-1].append(key)
        left -= tensor.nbytes
    return groups


def _copied(tensor: Tensor) -> Tensor:
    """A copy, in float32 if it holds real numbers."""
    return tensor.to(torch.float32, copy=True) if tensor.is_floating_point() else tensor.clone()


@runtime_checkable
class Settling(Protocol):
    """A module with weights in the layout of official files."""

    def settle(self) -> None:
        """Rearrange the weights for use."""


def settle(module: nn.Module) -> None:
    """Let all modules with weights in the layout of official files rearrange them for use."""
    for part in list(module.modules()):
        if isinstance(part, Settling):
            part.settle()


def read_state_dict(path: Path, entry: str | tuple[str, ...] = ()) -> dict[str, Tensor]:
    """Tensors by name from a file by ``torch.save`` or TorchScript; only tensors and plain containers are read.

    OpenAI publishes CLIP as TorchScript archives, which contain code and weights. Only the weights are read here,
    through an unpickler that accepts tensors and nothing else, so a file can't run any code, whether or not its digest
    was checked. Raises UserError if the file is neither.
    """
    try:
        if _is_torchscript(path):
            state: Any = _TorchScriptWeights(path).state_dict()
        else:
            # Mapped, so that of a file that holds the state of a training too, only the weights are read.
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise _wrong(path, f"can't be read as weights: {reason}") from error
    for name in (entry,) if isinstance(entry, str) else entry:
        if isinstance(state, Mapping) and name in state:
            state = state[name]
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise _wrong(path, "contains no state dict")
    return dict(state)


def under_both_names(state: Mapping[str, Tensor], same: Iterable[tuple[str, str]]) -> dict[str, Tensor]:
    """The tensors, each under both of its names. ``same`` gives pairs of beginnings of names that mean one tensor.

    Official modules that share a tensor load it under one name after the other, so of two values the second counts.
    """
    found = dict(state)
    for first, second in same:
        for one, other in ((second, first), (first, second)):
            found |= {other + key.removeprefix(one): value for key, value in found.items() if key.startswith(one)}
    return found


def _wrong(path: Path, what: str) -> UserError:
    return UserError(f"{path}: {what}", "use the official file: python -m nova_bench assets fetch")


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


class _ScriptObject:
    """Stands for an object of a TorchScript class; only its attributes are used."""

    def __setstate__(self, attributes: dict[str, Any]) -> None:
        self.__dict__.update(attributes)

    def tensors(self, prefix: str = "") -> dict[str, Tensor]:
        """Its tensors and those of its submodules, by state-dict name."""
        found: dict[str, Tensor] = {}
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                found[prefix + name] = value
            elif isinstance(value, _ScriptObject):
                found.update(value.tensors(f"{prefix}{name}."))
        return found


class _TorchScriptWeights(pickle.Unpickler):
    """Reads `data.pkl` of a TorchScript archive: tensors, ordered dicts and script objects; refuses everything else.

    Format: torch/csrc/jit/docs/serialization.md of the PyTorch repository.
    """

    def __init__(self, path: Path):
        self._archive = zipfile.ZipFile(path)
        data = next(name for name in self._archive.namelist() if name.endswith("/data.pkl"))
        self._root = data.removesuffix("data.pkl")
        self._storages: dict[str, Tensor] = {}
        super().__init__(self._archive.open(data))

    def state_dict(self) -> dict[str, Tensor]:
        with self._archive:
            script = self.load()
        if not isinstance(script, _ScriptObject):
            raise pickle.UnpicklingError("no module inside")
        return script.tensors()

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("__torch__"):
            return _ScriptObject
        if module == "torch.jit._pickle":  # typed lists, which aren't weights
            return _as_it_is
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed")

    def persistent_load(self, pid: Any) -> Tensor:
        _, dtype, key, _, count = pid
        if key not in self._storages:
            data = bytearray(self._archive.read(f"{self._root}data/{key}"))
            self._storages[key] = torch.frombuffer(data, dtype=dtype, count=count)
        return self._storages[key]


def _rebuild_tensor(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    return storage.as_strided(size, stride, offset)


def _as_it_is(values: list[Any]) -> list[Any]:
    return values


_ALLOWED: dict[tuple[str, str], Any] = {
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("collections", "OrderedDict"): OrderedDict,
    ("torch", "FloatStorage"): torch.float32,
    ("torch", "HalfStorage"): torch.float16,
    ("torch", "BFloat16Storage"): torch.bfloat16,
    ("torch", "DoubleStorage"): torch.float64,
    ("torch", "LongStorage"): torch.int64,
    ("torch", "IntStorage"): torch.int32,
    ("torch", "BoolStorage"): torch.bool,
    ("torch", "ByteStorage"): torch.uint8,
}
