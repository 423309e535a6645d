"""Scorers that use one network at the same time share one copy of it."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import numpy as np
from torch import nn

from nova_bench.networks.sharing import computed_of, shared_network
from tests.scorers.conftest import clip_of


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


def test_what_was_computed_of_a_clip_is_kept_as_long_as_the_clip() -> None:
    clip, same = (clip_of(np.zeros((2, 8, 8, 3), np.uint8)) for _ in range(2))
    computed_of(clip)["key"] = "result"
    assert computed_of(clip) == {"key": "result"}
    assert computed_of(same) == {}, "an equal clip is another one"
    kept = weakref.ref(clip)
    del clip
    gc.collect()
    assert kept() is None
