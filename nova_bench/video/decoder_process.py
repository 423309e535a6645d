"""The code of a decoder process: files in, frames out into memory shared with the parent. Imports no torch.

Messages are JSON. The parent asks for a file ({"path": ...}) and provides slots of memory ({"slot": n}). Each chunk of
a file is one answer, and the last one is marked as such; an error also ends a file.
"""

from __future__ import annotations

import errno
import fcntl
import json
import mmap
import os
import resource
import signal
from collections import deque
from contextlib import suppress
from fractions import Fraction
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from nova_bench.core.errors import MediaError
from nova_bench.video.limits import MediaLimits, too_large_at_once
from nova_bench.video.opening import open_frames
from nova_bench.video.stream import FrameStream

_BASE_BYTES = 2**30
# A video decoder holds up to 33 frames or so, of 1.5 to 2 bytes per pixel; Pillow a picture's pixels up to five times.
_BYTES_PER_FRAME_PIXEL, _BYTES_PER_PIXEL = 64, 20
_FIRST_FRAMES = 16
"""Room for this many frames if the container doesn't declare their number."""


def main(commands: int, lifeline: int, memory: int, pulse: int, stride: int) -> None:
    """Serve files until the parent is gone. The arguments are file descriptors and the distance between slots."""
    _end_with_parent(lifeline)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        # If memory runs out, the system ends this process before any other.
        Path("/proc/self/oom_score_adj").write_text("1000")
    server = _Server(Connection(commands), Memory(memory, stride), mmap.mmap(pulse, mmap.PAGESIZE))
    import numpy  # noqa: F401  so that the first file doesn't wait for it

    server.send({"ready": True})
    try:
        while True:
            server.serve()
    except (EOFError, OSError):
        return


def _end_with_parent(lifeline: int) -> None:
    """Let the kernel end this process when the other end of a pipe closes, even if a decoder never returns."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    try:
        gone = os.read(lifeline, 1) == b""
    except BlockingIOError:
        gone = False
    if gone:
        os._exit(1)


class Memory:
    """Slots of shared memory: regions of one sparse file, mapped as far as they are used. Both sides have one."""

    def __init__(self, descriptor: int, stride: int):
        self._descriptor, self._stride = descriptor, stride
        self._maps: dict[int, mmap.mmap] = {}

    def slot(self, index: int, size: int) -> mmap.mmap:
        """The memory of a slot, of at least ``size`` bytes. Raises OSError if there is no room for it."""
        found = self._maps.get(index)
        if found is None or len(found) < size:
            size = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
            end = index * self._stride + size
            if os.fstat(self._descriptor).st_size < end:
                os.ftruncate(self._descriptor, end)
            self._maps.pop(index, None)
            found = self._maps[index] = mmap.mmap(self._descriptor, size, offset=index * self._stride)
        return found

    def give_back(self, index: int) -> None:
        """Return a slot's memory to the system."""
        found = self._maps.pop(index, None)
        if found is not None and hasattr(mmap, "MADV_REMOVE"):
            found.madvise(mmap.MADV_REMOVE)

    def size(self, index: int) -> int:
        """Bytes that a slot has mapped."""
        return len(self._maps.get(index, ()))


class _Server:
    """Serves one file after the other."""

    def __init__(self, commands: Connection, memory: Memory, pulse: mmap.mmap):
        self._commands, self._memory = commands, memory
        self._pulse = memoryview(pulse).cast("Q")
        self._requests: deque[dict[str, Any]] = deque()
        self._slots: deque[int] = deque()

    def send(self, message: dict[str, Any]) -> None:
        self._commands.send_bytes(json.dumps(message).encode())

    def serve(self) -> None:
        """Answer the next request."""
        while not self._requests:
            self._receive()
        request = self._requests.popleft()
        self._slots = deque([request["slot"]])
        limits = MediaLimits.model_validate(request["limits"])
        resource.setrlimit(resource.RLIMIT_DATA, (_most_bytes(limits), resource.RLIM_INFINITY))
        try:
            size = tuple(request["size"]) if request["size"] else None
            with open_frames(request["path"], limits, request["max_frames"] is None, size) as stream:
                self._decode(stream, request, limits)
        except MediaError as error:
            self.send({"error": [error.message, error.remedy], "errno": _errno(error)})

    def _receive(self) -> None:
        message = json.loads(self._commands.recv_bytes())
        if "path" in message:
            self._requests.append(message)
        else:
            self._slots.append(message["slot"])

    def _decode(self, stream: FrameStream, request: dict[str, Any], limits: MediaLimits) -> None:
        most_frames, chunk = request["max_frames"], _Chunk(self._memory, stream, request, limits)
        chunk.begin(self._slots.popleft())
        for index, (frame, time) in enumerate(stream.frames, start=1):
            self._pulse[0] += 1
            if chunk.full:
                self.send(chunk.message(stream, last=False))
                while not self._slots:
                    self._receive()
                chunk.begin(self._slots.popleft())
            chunk.append(frame, time)
            if index == most_frames:
                break
        self.send(chunk.message(stream, last=True))


class _Chunk:
    """Frames being written to a slot: all of a video's if they fit, else as many as a stream's chunk has."""

    def __init__(self, memory: Memory, stream: FrameStream, request: dict[str, Any], limits: MediaLimits):
        self._memory, self._limits, self._path = memory, limits, stream.path
        self._shape = (stream.height, stream.width, 3)
        self._frame_bytes = stream.height * stream.width * 3
        most, whole = limits.max_decoded_megabytes * 2**20, request["whole_bytes"]
        if stream.fps is None:
            whole = most  # an animation's rate is known at its end, but some scorers need it at the start
        declared, self._streams = stream.declared_frames, request["chunk_bytes"] is not None
        asked = request["max_frames"] or limits.max_frames
        self._expected = min(declared or _FIRST_FRAMES, asked)
        self._stream_frames = max(2, (request["chunk_bytes"] or 0) // self._frame_bytes)
        self._capacity = min(whole, most) // self._frame_bytes
        if self._expected > self._capacity:
            self._to_stream()

    def begin(self, slot: int) -> None:
        """Fill this slot from now on."""
        self._slot, self._count = slot, 0
        self._times: list[Fraction | None] = []
        self._make_room(min(self._expected, self._capacity))

    @property
    def full(self) -> bool:
        """Whether the slot must be sent before another frame comes."""
        if self._count < self._capacity:
            return False
        self._to_stream()
        return True

    def append(self, frame: Any, time: Fraction | None) -> None:
        """Copy a frame [H, W, 3]."""
        if self._count == len(self._frames):
            self._make_room(min(self._capacity, self._count + self._count // 2 + 1))
        self._frames[self._count] = frame
        self._times.append(time)
        self._count += 1

    def message(self, stream: FrameStream, last: bool) -> dict[str, Any]:
        """What the parent must know about the frames and about the video so far."""
        known = [time for time in self._times if time is not None]
        times = [[time.numerator, time.denominator] for time in known] if len(known) == len(self._times) else []
        rates = {"fps": stream.fps, "tick": stream.tick}
        return {
            "slot": self._slot,
            "count": self._count,
            "times": times,
            "last": last,
            "height": stream.height,
            "width": stream.width,
            "pix_fmt": stream.pix_fmt,
            "declared_frames": stream.declared_frames,
            "rotation": stream.orientation.rotation,
            "mirrored": stream.orientation.mirrored,
            "variable_frame_rate": stream.variable_frame_rate,
            "notes": stream.notes,
            **{key: rate and [rate.numerator, rate.denominator] for key, rate in rates.items()},
        }

    def _to_stream(self) -> None:
        if not self._streams:
            raise too_large_at_once(self._path, self._limits)
        self._capacity = self._expected = self._stream_frames

    def _make_room(self, count: int) -> None:
        import numpy as np

        self._frames: np.ndarray = np.empty((0, *self._shape), np.uint8)  # a slot in use can't be returned
        try:
            memory = self._memory.slot(self._slot, max(1, count) * self._frame_bytes)
        except (OSError, ValueError) as error:
            raise MemoryError from error
        room = len(memory) // self._frame_bytes
        self._frames = np.frombuffer(memory, np.uint8, room * self._frame_bytes).reshape(room, *self._shape)


def _errno(error: BaseException | None) -> int | None:
    """Number of the system error behind an error; FFmpeg's own numbers, which concern the file, don't count.

    Running out of memory is a state of the machine, whoever reports it.
    """
    while error is not None:
        if isinstance(error, MemoryError):
            return errno.ENOMEM
        if isinstance(error, OSError) and not any(base.__name__ == "FFmpegError" for base in type(error).__mro__):
            return error.errno
        error = error.__cause__
    return None


def _most_bytes(limits: MediaLimits) -> int:
    """Memory in bytes that a decoder may take for itself."""
    return _BASE_BYTES + max(_BYTES_PER_FRAME_PIXEL * limits.max_frame_pixels, _BYTES_PER_PIXEL * limits.max_pixels)
