"""How long what is left of a run will take: at the speed of earlier runs, else from counted operations."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nova_bench.execute.cards import DRIVER, probable_device
from nova_bench.models.generation_cost import generation_gflop
from nova_bench.models.nova import NovaSpec
from nova_bench.pipeline.operations import counted, gflop, peak_tflops

if TYPE_CHECKING:
    from nova_bench.pipeline.preview import Preview

CPU_RATE = 4e10
"""Operations a second of one core: what these networks reach on CPUs from 2019 on, without AMX."""
GPU_SHARE = 0.25
"""Of a GPU's peak with TF32; not measured."""
UNKNOWN_GPU = 1e13
_FRAMES, _HEIGHT, _WIDTH = 33, 480, 768
"""Size of a video whose size isn't known before it is opened."""


@dataclass(frozen=True)
class Device:
    """A device by name, and its estimated operations a second."""

    name: str
    rate: float


def estimated_device(wanted: str) -> Device:
    """The device that ``auto``, ``cpu`` or ``cuda:N`` stands for, found without torch."""
    if probable_device(wanted).startswith("cuda"):
        facts = "".join(path.read_text(errors="replace") for path in DRIVER.glob("*/information"))
        known = peak_tflops(facts)
        return Device("GPU", known * 1e12 * GPU_SHARE if known else UNKNOWN_GPU)
    cores = len(os.sched_getaffinity(0))
    return Device(f"CPU with {cores} core{'s' if cores > 1 else ''}", CPU_RATE * cores)


def seconds_left(preview: Preview, device: Device) -> float:
    """At least so long; parts that were neither timed nor counted add nothing."""
    suite = preview.plan.suite
    sampling = suite.model.sampling or suite.sampling
    total = preview.generate_seconds or 0.0
    if preview.generate_seconds is None and isinstance(suite.model, NovaSpec):
        each = generation_gflop(suite.model, sampling)
        total += preview.units_missing * (each or 0.0) * 1e9 / device.rate
    frames, height, width = sampling.num_frames or _FRAMES, sampling.height or _HEIGHT, sampling.width or _WIDTH
    for scorer in preview.scorers:
        if scorer.seconds is not None:
            total += scorer.seconds
        elif counted(scorer.name) and not scorer.needs:
            total += scorer.missing * gflop(scorer.name, frames, height, width, sampling.fps) * 1e9 / device.rate
    return total
