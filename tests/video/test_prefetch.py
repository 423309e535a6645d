"""Decoding ahead: same order, errors in place, bounded memory."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch

from nova_bench.errors import MediaError
from nova_bench.video import decode_ahead, prefetch, read_clip, write_lossless


@pytest.fixture
def clips(tmp_path: Path, texture) -> list[Path]:
    paths = [tmp_path / f"{index}.mkv" for index in range(8)]
    for index, path in enumerate(paths):
        write_lossless(path, texture(2, 16, 16, seed=index))
    return paths


@pytest.mark.parametrize(("workers", "ahead"), [(1, 1), (1, 3), (3, 2), (4, 8), (2, 100)])
def test_order_and_errors(clips: list[Path], workers: int, ahead: int) -> None:
    clips[2].write_bytes(b"damaged")
    clips[5].unlink()
    results = list(decode_ahead(clips, workers, ahead))
    assert [path for path, _ in results] == clips
    for index, (path, result) in enumerate(results):
        if index in (2, 5):
            assert isinstance(result, MediaError)
            assert path.name in result.message
        else:
            assert torch.equal(result.frames, read_clip(path).frames)


def test_never_runs_further_ahead(clips: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    started, lock = [], threading.Lock()

    def counting(path: Path, *args: object, **kwargs: object):
        with lock:
            started.append(path)
        return read_clip(path, *args, **kwargs)

    monkeypatch.setattr(prefetch, "read_clip", counting)
    for taken, _ in enumerate(decode_ahead(clips, workers=4, ahead=2), start=1):
        assert len(started) <= taken + 2
    assert started[:1] == clips[:1]
    assert len(started) == len(clips)


def test_works_while_the_caller_does(clips: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """With ahead=1 the next file is decoded while the caller still holds the current one."""
    second = threading.Event()

    def noting(path: Path, *args: object, **kwargs: object):
        if path == clips[1]:
            second.set()
        return read_clip(path, *args, **kwargs)

    monkeypatch.setattr(prefetch, "read_clip", noting)
    results = decode_ahead(clips, workers=1, ahead=1)
    next(results)
    assert second.wait(timeout=300)
    results.close()


def test_a_large_clip_is_held_alone(clips: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetch, "_MOST_BYTES", read_clip(clips[0]).frames.numel() - 1)
    started: list[Path] = []
    monkeypatch.setattr(prefetch, "read_clip", lambda path, *args, **kwargs: started.append(path) or read_clip(path))
    for taken, (path, _) in enumerate(decode_ahead(clips, ahead=3), start=1):
        assert started == clips[:taken]
        assert path == started[-1]


def test_closing_stops(clips: list[Path]) -> None:
    before = threading.active_count()
    results = decode_ahead(iter(clips), workers=2, ahead=2)
    next(results)
    results.close()
    assert threading.active_count() == before
    assert list(decode_ahead([])) == []


def test_options_reach_the_decoder(clips: list[Path]) -> None:
    assert [clip.frame_count for _, clip in decode_ahead(clips[:2], max_frames=1)] == [1, 1]


@pytest.mark.parametrize(("workers", "ahead"), [(0, 1), (1, 0)])
def test_bad_bounds(workers: int, ahead: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        decode_ahead([], workers, ahead)
