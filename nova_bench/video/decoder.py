"""Decodes files in a separate process, so that a file that breaks the decoder harms only that process.

The process is killed if it makes no progress, and replaced if it dies; either is an error of the file it was decoding.
Frames arrive through shared memory that is reused, which is faster than decoding into new memory here.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import signal
import subprocess
import sys
import tempfile
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from multiprocessing.connection import Pipe
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nova_bench.core.errors import MediaError
from nova_bench.video.clip import Clip
from nova_bench.video.decoder_process import Memory
from nova_bench.video.limits import MediaLimits, stalled
from nova_bench.video.read import read_clip
from nova_bench.video.source import FrameChunk, FrameSource

if TYPE_CHECKING:
    import numpy as np

ALONE_BYTES = 2**29
"""A larger decoded clip is held alone: the next one is decoded when the caller asks for it."""
WHOLE_BYTES = 2**26
"""A video up to this size is handed over whole, unless all of its frames are needed at once."""
_CHUNK_BYTES = 2**25
_KEPT_BYTES = 2**28  # of free slots: the rest goes back to the system
_SLICE_SECONDS = 0.5
_GRACE_SECONDS = 2.0  # past the deadline that the process itself keeps; then it is killed
_START_SECONDS = 60.0  # within which a process must start, even on a busy machine
_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); import nova_bench.video.decoder_process as p; \
p.main(*map(int, sys.argv[2:]))"
_ENVIRONMENT = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    # glibc keeps a frame's memory for the next one; otherwise each frame would need new memory.
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
    "MALLOC_TRIM_THRESHOLD_": str(2**28),
}


class _NoProcess(Exception):
    """There is no process to decode in."""


@dataclass(eq=False)
class _Request:
    path: Path
    slot: int
    message: dict[str, Any]
    retried: bool = False


class Decoder:
    """Decodes files one after the other, in the order in which they are put in, before they are asked for."""

    def __init__(self, limits: MediaLimits | None = None):
        self._limits = limits or MediaLimits()
        self._waiting: deque[_Request] = deque()
        self._free: list[int] = []
        self._slots = 0
        self._process: subprocess.Popen | None = None
        self._fresh = True
        self._second: int | None = None  # slot of the current stream
        self._ended = False
        self.problem = ""
        """Why files are decoded in this process instead; empty if they aren't."""
        stride = max(self._limits.max_decoded_megabytes * 2**20, 2 * _CHUNK_BYTES)
        self._stride = -(-stride // mmap.PAGESIZE + 1) * mmap.PAGESIZE
        self._descriptor: int | None = None
        self._pulse: memoryview[int]
        try:
            self._descriptor = _shared_memory()
            self._memory = Memory(self._descriptor, self._stride)
            self._start()
        except OSError as error:
            self.problem = f"videos are decoded in this process, since no other process can be started: {error}"

    def put(
        self,
        path: Path,
        *,
        whole: bool = True,
        stream: bool = False,
        max_frames: int | None = None,
        size: tuple[int, int] | None = None,
    ) -> None:
        """Queue a file for decoding.

        whole: all of its frames are needed at once. stream: they may come in chunks if ``whole`` is False or the video
        is too large. size: (height, width) to which frames are resampled while they are decoded.
        """
        slot = self._take_slot()
        message = {
            "path": str(path),
            "slot": slot,
            "limits": self._limits.model_dump(),
            "max_frames": max_frames,
            "size": size,
            "whole_bytes": self._limits.max_decoded_megabytes * 2**20 if whole else WHOLE_BYTES,
            "chunk_bytes": _CHUNK_BYTES if stream else None,
        }
        request = _Request(path, slot, message)
        self._waiting.append(request)
        self._send(message)

    def get(self) -> Clip | FrameSource | MediaError:
        """The result for the oldest file. The next call ends a :class:`FrameSource`, however much of it was read."""
        self._leave_stream()
        request = self._waiting[0]
        try:
            if self.problem:
                return self._read_here(request)
            try:
                reply = self._reply()
            except _NoProcess:
                return self._read_here(request)
            if reply["last"]:
                return self._clip(request, reply)
        except MediaError as error:
            self._release(request.slot)
            self._waiting.popleft()
            return error
        return self._source(request, reply)

    def processor_seconds(self) -> float:
        """Processor time of the process; 0 if the system doesn't report it."""
        if self._process is None:
            return 0.0
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """End the process. Clips that are in use stay valid."""
        self._end()
        self._waiting.clear()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor, self.problem = None, self.problem or "closed"

    def _read_here(self, request: _Request) -> Clip:
        wanted = {key: request.message[key] for key in ("max_frames", "size")}
        clip = read_clip(request.path, **wanted, limits=self._limits)
        self._waiting.popleft()
        return clip

    def _clip(self, request: _Request, reply: dict[str, Any]) -> Clip:
        import torch

        frames = self._frames(reply)
        # PyTorch keeps this array as long as there is a view of it; then the slot is free again.
        weakref.finalize(frames, _release, weakref.ref(self), request.slot).atexit = False
        self._waiting.popleft()
        return Clip(
            frames=torch.from_numpy(frames),
            fps=_fraction(reply["fps"]),
            pix_fmt=reply["pix_fmt"],
            frame_count=reply["count"],
            declared_frames=reply["declared_frames"],
            rotation=reply["rotation"],
            mirrored=reply["mirrored"],
            variable_frame_rate=reply["variable_frame_rate"],
            path=request.path,
            times=_times(reply),
            tick=_fraction(reply["tick"]),
            notes=tuple(reply["notes"]),
        )

    def _source(self, request: _Request, reply: dict[str, Any]) -> FrameSource:
        second = self._take_slot()
        self._send({"slot": second})
        request.retried = True  # its first frames were already handed over
        self._second = second
        source = FrameSource(
            path=request.path,
            fps=_fraction(reply["fps"]),
            tick=_fraction(reply["tick"]),
            height=reply["height"],
            width=reply["width"],
            frame_count=None,
            chunks=iter(()),
        )
        source.chunks = self._chunks(source, reply)
        return source

    def _chunks(self, source: FrameSource, reply: dict[str, Any]) -> Iterator[FrameChunk]:
        while True:
            yield FrameChunk(self._frames(reply), _times(reply))
            if self._ended:
                source.variable_frame_rate = reply["variable_frame_rate"]
                source.notes = tuple(reply["notes"])
                return
            self._send({"slot": reply["slot"]})
            try:
                reply = self._reply()
            except MediaError:
                self._ended = True
                raise
            self._ended = reply["last"]

    def _leave_stream(self) -> None:
        """Finish the stream that was handed out, whether or not it was read to its end."""
        if self._second is None:
            return
        request, second, ended = self._waiting.popleft(), self._second, self._ended
        self._second, self._ended = None, False
        self._release(request.slot)
        self._release(second)
        if not ended:
            self._restart()

    def _frames(self, reply: dict[str, Any]) -> np.ndarray:
        import numpy as np

        shape = reply["count"], reply["height"], reply["width"], 3
        size = math.prod(shape)
        try:
            return np.frombuffer(self._memory.slot(reply["slot"], size), np.uint8, size).reshape(shape)
        except (OSError, ValueError) as error:
            raise MediaError(
                f"{self._waiting[0].path}: its {size / 2**20:,.0f} MiB of frames don't fit into memory: {error}",
                "free memory, or lower media.max_decoded_megabytes",
            ) from error

    def _take_slot(self) -> int:
        if self._free:
            return self._free.pop()
        self._slots += 1
        return self._slots - 1

    def _release(self, slot: int) -> None:
        if not self.problem:
            kept = sum(map(self._memory.size, self._free))
            if kept + self._memory.size(slot) > _KEPT_BYTES:
                self._memory.give_back(slot)
            self._free.append(slot)

    def _reply(self) -> dict[str, Any]:
        """The next answer to the oldest request. Raises MediaError if the file fails or the process hangs or dies."""
        request = self._waiting[0]
        still, seen = 0.0, self._pulse[0]
        while True:
            try:
                if self._commands.poll(_SLICE_SECONDS):
                    message = json.loads(self._commands.recv_bytes())
                    if "ready" in message:
                        self._ready = True
                        continue
                    self._fresh = False
                    if "error" in message:
                        cause = OSError(message["errno"], os.strerror(message["errno"])) if message["errno"] else None
                        raise MediaError(*message["error"]) from cause
                    return message
            except (EOFError, OSError):
                self._died(request)
                continue
            # Time slices are counted, not the clock: a process that was stopped together with this one isn't late.
            still, seen = (still + _SLICE_SECONDS, seen) if self._pulse[0] == seen else (0.0, self._pulse[0])
            if still > self._limits.stall_seconds + (_GRACE_SECONDS if self._ready else _START_SECONDS):
                self._restart(skip=request)
                raise stalled(request.path, self._limits)

    def _died(self, request: _Request) -> None:
        """Replace a process that ended by itself. Raises MediaError if the file seems to be the cause."""
        assert self._process is not None, "it answered, or was waited for"
        code = self._process.wait()
        if not self._ready:
            self._end()
            self.problem = f"videos are decoded in this process, since another one ended on start (exit code {code})"
            raise _NoProcess
        again = not self._fresh and not request.retried
        request.retried = True
        self._restart(skip=None if again else request)
        if not again:
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            raise MediaError(
                f"{request.path}: the process that decoded it died ({how})",
                "the file is damaged, or needs more memory than is available; export it again",
            ) from (MemoryError() if code == -signal.SIGKILL else None)

    def _restart(self, skip: _Request | None = None) -> None:
        self._end()
        self._start()
        for request in self._waiting:
            if request is not skip:
                self._send(request.message)

    def _start(self) -> None:
        assert self._descriptor is not None, "not closed"
        ours, theirs = Pipe()
        lifeline, held = os.pipe()
        pulse = _shared_memory()
        os.ftruncate(pulse, mmap.PAGESIZE)
        descriptors = (theirs.fileno(), lifeline, self._descriptor, pulse)
        arguments = [json.dumps(sys.path), *map(str, descriptors), str(self._stride)]
        try:
            # In its own process group: Ctrl-C in the terminal is for us, and we end the process.
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START, *arguments],
                pass_fds=descriptors,
                env={**os.environ, **_ENVIRONMENT},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                process_group=0,
            )
        except BaseException:
            os.close(held)
            ours.close()
            raise
        finally:
            theirs.close()
            os.close(lifeline)
        self._commands, self._held = ours, held
        self._fresh, self._ready = True, False
        self._pulse = memoryview(mmap.mmap(pulse, mmap.PAGESIZE)).cast("Q")
        os.close(pulse)

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._commands.close()
            os.close(self._held)
            self._process = None

    def _send(self, message: dict[str, Any]) -> None:
        if self._process is not None:
            with suppress(OSError):  # if it died, the next reply reports it
                self._commands.send_bytes(json.dumps(message).encode())


def _release(reference: weakref.ref[Decoder], slot: int) -> None:
    if decoder := reference():
        decoder._release(slot)


def _shared_memory() -> int:
    """An empty file in memory or, if the system has no such files, in the temporary folder."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("nova_bench")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _fraction(pair: list[int] | None) -> Fraction | None:
    return None if pair is None else Fraction(*pair)


def _times(reply: dict[str, Any]) -> tuple[Fraction, ...]:
    return tuple(Fraction(*pair) for pair in reply["times"])


def decode_ahead(
    paths: Iterable[str | PathLike[str]],
    ahead: int = 2,
    *,
    max_frames: int | None = None,
    limits: MediaLimits | None = None,
) -> Iterator[tuple[Path, Clip | MediaError]]:
    """Yield ``(path, clip)`` in the order of ``paths``, or ``(path, error)`` for a file that can't be decoded.

    At most ``ahead`` clips are decoded beyond the one that the caller holds, and none beside a clip of more than half a
    GiB. ``paths`` is consumed lazily. Closing the iterator drops pending files.
    """
    if ahead < 1:
        raise ValueError(f"ahead must be at least 1, not {ahead}")

    def run() -> Iterator[tuple[Path, Clip | MediaError]]:
        todo = map(Path, paths)
        begun: deque[Path] = deque()
        decoder: Decoder | None = None
        try:
            while True:
                for path in islice(todo, 0 if begun else 1):
                    decoder = decoder or Decoder(limits)
                    decoder.put(path, max_frames=max_frames)
                    begun.append(path)
                if decoder is None or not begun:
                    return
                path, outcome = begun.popleft(), decoder.get()
                assert not isinstance(outcome, FrameSource), "no stream was asked for"
                # Only now is it known how large the videos are.
                for following in islice(todo, ahead - len(begun) if decoded_bytes(outcome) <= ALONE_BYTES else 0):
                    decoder.put(following, max_frames=max_frames)
                    begun.append(following)
                yield path, outcome
                del outcome  # otherwise the clip would stay alive during the wait for the next one
        finally:
            if decoder is not None:
                decoder.close()

    return run()


def decoded_bytes(outcome: Clip | FrameSource | Exception | None) -> int:
    """Memory of the frames that are held; those of a stream don't count."""
    return outcome.frames.numel() if isinstance(outcome, Clip) else 0
