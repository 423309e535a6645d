"""One copy of a network for all scorers of a process that use it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast
from weakref import WeakValueDictionary

from nova_bench.kernels.layers import speed_up

if TYPE_CHECKING:
    from torch import nn

Network = TypeVar("Network", bound="nn.Module")

_IN_USE: WeakValueDictionary[tuple[object, Path, str], nn.Module] = WeakValueDictionary()


def shared_network(load: Callable[[Path], Network], path: Path, device: str) -> Network:
    """``load(path)`` on ``device``, made fast; the same object as long as anybody uses it."""
    key = (load, path, device)
    network = _IN_USE.get(key)
    if network is None:
        _IN_USE[key] = network = speed_up(load(path), device)
    return cast(Network, network)
