"""Scoring holds no more decoded video than it works on."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from nova_bench.load import load_suite
from nova_bench.progress import Progress
from nova_bench.run import measure_suite
from nova_bench.store import Store
from nova_bench.video import Clip, prefetch, read_clip


@pytest.mark.parametrize("size", [1, 2])
def test_a_batch_is_gone_before_the_next_large_video_is_decoded(
    size: int, write_suite: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: set[Path] = set()
    most: list[int] = []

    def counting(path: Path, *args: object, **kwargs: object) -> Clip:
        most.append(len(alive))
        clip = read_clip(path, *args, **kwargs)
        alive.add(path)
        weakref.finalize(clip, alive.discard, path)
        return clip

    monkeypatch.setattr(prefetch, "read_clip", counting)
    monkeypatch.setattr(prefetch, "_MOST_BYTES", 0)
    suite = load_suite(str(write_suite()), [f"execution.batch_size={size}", "execution.device=cpu"])
    with Store.writer(tmp_path / "store") as store:
        measure_suite(suite, store, None, Progress(quiet=True))
    assert most == [index % size for index in range(6)]
