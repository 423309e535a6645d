"""Stopwatches for the parts of a generation: host clock on the CPU, CUDA events on a GPU."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import Any, Protocol


class Stopwatch(Protocol):
    """Adds up the time of each region; an observer in the sense of :class:`nova_bench.nova.Observer`."""

    entered: int
    """Regions entered so far."""

    def region(self, name: str) -> AbstractContextManager[None]:
        """Time one region."""
        ...

    def record(self, name: str, value: Any) -> None:
        """Ignore intermediate results."""
        return

    def seconds(self) -> dict[str, float]:
        """Seconds of each part so far."""
        ...


class HostStopwatch(Stopwatch):
    """For a device that has finished when a call returns: `time.perf_counter` at each region's start and end."""

    def __init__(self) -> None:
        self.entered = 0
        self._seconds: dict[str, float] = {}

    def region(self, name: str) -> AbstractContextManager[None]:
        """Time one region."""
        self.entered += 1
        return _HostSpan(name, self._seconds)

    def seconds(self) -> dict[str, float]:
        """Seconds of each part so far."""
        return dict(self._seconds)


class _HostSpan:
    """A class, since a generator-based context manager costs three times as much."""

    __slots__ = ("_name", "_seconds", "_started")

    def __init__(self, name: str, seconds: dict[str, float]):
        self._name, self._seconds = name, seconds

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        spent = time.perf_counter() - self._started
        self._seconds[self._name] = self._seconds.get(self._name, 0.0) + spent


class CudaStopwatch(Stopwatch):
    """For a GPU: an event at each boundary, on the current stream. Nothing waits until the seconds are read.

    A part's time runs from when the GPU reaches its first kernel to when it leaves its last. If the GPU waits for the
    host to launch kernels, the wait counts towards the part that they belong to.
    """

    def __init__(self, device: str) -> None:
        self.entered = 0
        self._device = device
        self._spans: list[_CudaSpan] = []

    def region(self, name: str) -> AbstractContextManager[None]:
        """Time one region."""
        self.entered += 1
        span = _CudaSpan(name, self._device)
        self._spans.append(span)
        return span

    def seconds(self) -> dict[str, float]:
        """Seconds of each part so far; waits for the device."""
        import torch

        torch.cuda.synchronize(self._device)
        parts: dict[str, float] = {}
        for span in self._spans:
            parts[span.name] = parts.get(span.name, 0.0) + span.start.elapsed_time(span.end) / 1000
        return parts


class _CudaSpan:
    __slots__ = ("_stream", "end", "name", "start")

    def __init__(self, name: str, device: str):
        import torch

        self.name = name
        self._stream = torch.cuda.current_stream(device)
        self.start, self.end = (torch.cuda.Event(enable_timing=True) for _ in range(2))

    def __enter__(self) -> None:
        self.start.record(self._stream)

    def __exit__(self, *_: object) -> None:
        self.end.record(self._stream)


def make_stopwatch(device: str) -> Stopwatch:
    """The stopwatch for work on ``device`` (``cpu``, ``cuda``, ``cuda:1``, ...)."""
    return CudaStopwatch(device) if device.startswith("cuda") else HostStopwatch()


def synchronize(device: str) -> None:
    """Wait until ``device`` has finished all its work."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)


def cost_of_a_region(device: str, repeats: int = 500) -> float:
    """Seconds of host time that entering and leaving an empty region costs; the best of five rounds."""
    best = float("inf")
    for _ in range(5):
        watch = make_stopwatch(device)
        synchronize(device)
        started = time.perf_counter()
        for _ in range(repeats):
            with watch.region("empty"):
                pass
        best = min(best, (time.perf_counter() - started) / repeats)
    return best
