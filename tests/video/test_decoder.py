"""Decoding in a process of its own: same frames, errors in place, bounded memory, and nothing a file does gets out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nova_bench.core.errors import MediaError
from nova_bench.pipeline.failures import failure_details
from nova_bench.video import MediaLimits, decode_ahead, decoder, read_clip, write_lossless
from nova_bench.video.decoder import Decoder
from nova_bench.video.source import FrameSource


@pytest.fixture
def clips(tmp_path: Path, texture) -> list[Path]:
    paths = [tmp_path / f"{index}.mkv" for index in range(8)]
    for index, path in enumerate(paths):
        write_lossless(path, texture(2 + index % 3, 16, 16, seed=index))
    return paths


@pytest.fixture
def made() -> Decoder:
    made = Decoder()
    yield made
    made.close()


@pytest.mark.parametrize("ahead", [1, 3, 100])
def test_order_and_errors(clips: list[Path], ahead: int) -> None:
    clips[2].write_bytes(b"damaged")
    clips[5].unlink()
    results = list(decode_ahead(clips, ahead))
    assert [path for path, _ in results] == clips
    for index, (path, result) in enumerate(results):
        if index in (2, 5):
            assert isinstance(result, MediaError)
            assert path.name in result.message
        else:
            expected = read_clip(path)
            assert torch.equal(result.frames, expected.frames)
            for name in ("fps", "times", "tick", "pix_fmt", "declared_frames", "frame_count", "notes", "rotation"):
                assert getattr(result, name) == getattr(expected, name)


def test_never_runs_further_ahead(clips: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Path] = []
    put = Decoder.put
    monkeypatch.setattr(Decoder, "put", lambda self, path, **how: begun.append(path) or put(self, path, **how))
    for taken, _ in enumerate(decode_ahead(clips, ahead=2), start=1):
        assert begun == clips[: taken + 2]
    monkeypatch.setattr(decoder, "ALONE_BYTES", -1)
    begun.clear()
    for taken, _ in enumerate(decode_ahead(clips, ahead=3), start=1):
        assert begun == clips[:taken]


def test_works_while_the_caller_does(clips: list[Path], made: Decoder) -> None:
    """Two files are decoded though nobody has asked for them yet."""
    frames = [read_clip(path).frame_count for path in clips[:2]]
    for path in clips[:2]:
        made.put(path)
    until = time.monotonic() + 60
    while made._pulse[0] < sum(frames) and time.monotonic() < until:
        time.sleep(0.01)
    assert made._pulse[0] == sum(frames)


def test_options_reach_the_decoder(clips: list[Path]) -> None:
    assert [clip.frame_count for _, clip in decode_ahead(clips[:2], max_frames=1)] == [1, 1]
    refused = decode_ahead(clips[:1], limits=MediaLimits(max_frames=1))
    assert "media.max_frames" in str(next(refused)[1])
    with pytest.raises(ValueError, match="at least 1"):
        decode_ahead([], 0)
    assert list(decode_ahead([])) == []


def test_memory_is_used_again_but_never_under_a_clip_that_is_held(clips: list[Path], made: Decoder) -> None:
    for path in clips * 3:
        made.put(path)
        assert torch.equal(made.get().frames, read_clip(path).frames)
    assert made._slots == 1
    held = []
    for path in clips:
        made.put(path)
        held.append(made.get().frames[1:])
    for path, frames in zip(clips, held, strict=True):
        assert torch.equal(frames, read_clip(path).frames[1:])


def test_clips_outlive_the_decoder(clips: list[Path]) -> None:
    made = Decoder()
    made.put(clips[0])
    clip = made.get()
    made.close()
    del made
    assert torch.equal(clip.frames, read_clip(clips[0]).frames)


def test_a_stream_has_the_frames_of_the_clip(tmp_path, texture, made: Decoder, clips, monkeypatch) -> None:
    monkeypatch.setattr(decoder, "WHOLE_BYTES", 5 * 16 * 16 * 3)
    monkeypatch.setattr(decoder, "_CHUNK_BYTES", 3 * 16 * 16 * 3)
    write_lossless(tmp_path / "long.mkv", texture(23, 16, 16))
    expected = read_clip(tmp_path / "long.mkv")
    made.put(tmp_path / "long.mkv", whole=False, stream=True)
    made.put(clips[0])
    source = made.get()
    assert isinstance(source, FrameSource)
    chunks = [(chunk.frames.copy(), tuple(chunk.times)) for chunk in source.chunks]
    assert len(chunks) == 8
    assert np.array_equal(np.concatenate([frames for frames, _ in chunks]), expected.frames)
    assert sum((times for _, times in chunks), ()) == expected.times
    assert torch.equal(made.get().frames, read_clip(clips[0]).frames)


@pytest.mark.parametrize("read", [0, 1, 2])
def test_a_stream_may_be_left(read: int, tmp_path, texture, made: Decoder, clips, monkeypatch) -> None:
    monkeypatch.setattr(decoder, "WHOLE_BYTES", 5 * 16 * 16 * 3)
    monkeypatch.setattr(decoder, "_CHUNK_BYTES", 3 * 16 * 16 * 3)
    write_lossless(tmp_path / "long.mkv", texture(23, 16, 16))
    made.put(tmp_path / "long.mkv", whole=False, stream=True)
    made.put(clips[0])
    source = made.get()
    for _ in range(read):
        next(source.chunks)
    assert torch.equal(made.get().frames, read_clip(clips[0]).frames)


@pytest.mark.skipif(sys.platform != "linux", reason="stops a process and looks at /proc")
def test_a_process_that_hangs_is_replaced(clips: list[Path], tmp_path: Path, texture, monkeypatch) -> None:
    monkeypatch.setattr(decoder, "_GRACE_SECONDS", 0)
    made = Decoder(MediaLimits(stall_seconds=1))
    made.put(clips[2])
    made.get()
    os.kill(made._process.pid, signal.SIGSTOP)
    made.put(clips[0])
    made.put(clips[1])
    assert "--set media.stall_seconds=N" in str(made.get())
    assert torch.equal(made.get().frames, read_clip(clips[1]).frames)
    made.close()


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_a_process_that_dies_is_its_files_error_alone(clips: list[Path], made: Decoder, number) -> None:
    assert made._commands.poll(60)  # it is ready
    os.kill(made._process.pid, signal.SIGSTOP)
    made.put(clips[0])
    made.put(clips[1])
    os.kill(made._process.pid, number)
    os.kill(made._process.pid, signal.SIGCONT)
    error = made.get()
    assert isinstance(error, MediaError)
    assert number.name in str(error)
    assert str(clips[0]) in str(error)
    assert torch.equal(made.get().frames, read_clip(clips[1]).frames)


@pytest.mark.skipif(sys.platform != "linux", reason="needs prlimit")
def test_memory_that_runs_out_in_the_process_is_the_machines_fault(clips: list[Path], made: Decoder) -> None:
    import resource

    large = clips[0].with_name("large.png")
    Image.new("RGB", (4000, 4000)).save(large)
    made.put(clips[0])
    made.get()
    taken = int(Path(f"/proc/{made._process.pid}/statm").read_text().split()[0]) * resource.getpagesize()
    resource.prlimit(made._process.pid, resource.RLIMIT_AS, (taken + 2**24, resource.RLIM_INFINITY))
    made.put(large)
    error = made.get()
    assert isinstance(error, MediaError)
    assert failure_details(error).get("passing"), error


def test_a_process_that_had_worked_gets_a_second_chance(clips: list[Path], made: Decoder) -> None:
    """What it died of may be an earlier file's doing; with a new process it is certain."""
    made.put(clips[0])
    made.get()
    os.kill(made._process.pid, signal.SIGSTOP)
    made.put(clips[1])
    os.kill(made._process.pid, signal.SIGKILL)
    assert torch.equal(made.get().frames, read_clip(clips[1]).frames)


def test_without_a_process_files_are_decoded_here(clips: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("no processes left")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    made = Decoder()
    assert "no processes left" in made.problem
    made.put(clips[0])
    made.put(clips[1].parent / "absent.mkv")
    assert torch.equal(made.get().frames, read_clip(clips[0]).frames)
    assert isinstance(made.get(), MediaError)


def test_where_the_system_has_no_memory_files_a_temporary_file_does(
    clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    made = Decoder()
    made.put(clips[0])
    assert made.problem == ""
    assert torch.equal(made.get().frames, read_clip(clips[0]).frames)
    made.close()


PARENT = """
import sys, time
from pathlib import Path
from nova_bench.video.decoder import Decoder
made = Decoder()
made.put(Path(sys.argv[1]))
made.get()
print(made._process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize("stopped", [False, True])
def test_the_process_ends_with_its_parent(clips: list[Path], stopped: bool, environment) -> None:
    command = [sys.executable, "-c", PARENT, str(clips[0])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        child = int(parent.stdout.readline())
        modules = Path(f"/proc/{child}/maps").read_text()
        assert "libavcodec" in modules
        assert "libtorch" not in modules
        if stopped:
            os.kill(child, signal.SIGSTOP)
        parent.kill()
    if stopped:
        os.kill(child, signal.SIGCONT)
    until = time.monotonic() + 60
    while Path(f"/proc/{child}").exists() and time.monotonic() < until:
        time.sleep(0.01)
    assert not Path(f"/proc/{child}").exists()
