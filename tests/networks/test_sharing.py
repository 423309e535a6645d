"""Scorers that use one network at the same time share one copy of it."""

from __future__ import annotations

import gc
from pathlib import Path

from torch import nn

from nova_bench.networks.sharing import shared_network


def test_one_copy_as_long_as_it_is_used() -> None:
    loaded: list[Path] = []

    def load(path: Path) -> nn.Linear:
        loaded.append(path)
        return nn.Linear(2, 2)

    first, second = shared_network(load, Path("a"), "cpu"), shared_network(load, Path("a"), "cpu")
    assert first is second
    assert shared_network(load, Path("b"), "cpu") is not first
    assert loaded == [Path("a"), Path("b")]
    del first, second
    gc.collect()
    shared_network(load, Path("a"), "cpu")
    assert loaded == [Path("a"), Path("b"), Path("a")]
