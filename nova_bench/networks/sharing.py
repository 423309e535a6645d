"""One copy of a network for all scorers of a process that use it, and of what it computed of a clip."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast
from weakref import WeakKeyDictionary, WeakValueDictionary

from nova_bench.kernels.layers import speed_up

if TYPE_CHECKING:
    from torch import nn

    from nova_bench.video import Clip

Network = TypeVar("Network", bound="nn.Module")

_IN_USE: WeakValueDictionary[tuple[object, Path, str], nn.Module] = WeakValueDictionary()
_COMPUTED: WeakKeyDictionary[Clip, dict[Hashable, Any]] = WeakKeyDictionary()


def shared_network(load: Callable[[Path], Network], path: Path, device: str) -> Network:
    """``load(path)`` on ``device``, made fast; the same object as long as anybody uses it."""
    key = (load, path, device)
    network = _IN_USE.get(key)
    if network is None:
        _IN_USE[key] = network = speed_up(load(path), device)
    return cast(Network, network)


def computed_of(clip: Clip) -> dict[Hashable, Any]:
    """Results by key, for the scorers that ask a network the same about a clip; kept as long as the clip is.

    A key names everything that the result depends on: the network, and how it is asked.
    """
    return _COMPUTED.setdefault(clip, {})
