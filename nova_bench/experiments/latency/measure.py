"""One setting -> its times, part by part, with the overhead of measuring and the machine's state."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nova_bench.core.atomic_files import write_with
from nova_bench.core.stopwatch import cost_of_a_region, make_stopwatch
from nova_bench.experiments.latency import machine
from nova_bench.experiments.latency.flops import flops_per_video
from nova_bench.experiments.latency.spec import MeasureSpec, Setting, TraceSpec
from nova_bench.experiments.latency.subject import Subject, generate, latent_frames
from nova_bench.nova.observe import Observer

if TYPE_CHECKING:
    from nova_bench.nova import NOVAPipeline

# Rates of one process and device; a session measures each precision once.
matmul_rate = cache(machine.matmul_rate)


def measure(subject: Subject, setting: Setting, how: MeasureSpec) -> dict[str, Any]:
    """Measure one setting; returns JSON. Times are seconds of whole batches, one entry per call.

    ``observed`` are the calls: ``total`` and each part.
    """
    pipeline, device = subject.pipeline(setting), subject.device
    resolved = resolved_setting(subject, pipeline, setting)
    # Counted before peak memory: the counter keeps nothing, but runs a sample through text encoder and autoencoder.
    flops = flops_per_video(pipeline, setting)
    rate = matmul_rate(device, resolved["dtype"])
    short = setting.model_copy(update={"num_frames": min(setting.num_frames, how.warmup_frames or setting.num_frames)})
    warmup = [_timed(lambda: generate(pipeline, short)) for _ in range(how.warmup)]
    fresh = machine.reset_peak_memory(device)
    clocks = machine.clocks(device)
    observed: list[dict[str, float]] = []
    began = time.perf_counter()
    while not observed or (len(observed) < how.repeats and time.perf_counter() - began < how.seconds):
        watch = make_stopwatch(device)
        total = _timed(partial(generate, pipeline, setting, watch))
        observed.append({"total": total, **watch.seconds()})
    return {
        "setting": resolved,
        "warmup": warmup,
        "observed": observed,
        "regions": watch.entered,
        "seconds_per_region": cost_of_a_region(device),
        "peak_memory": machine.peak_memory(device) if fresh else None,
        "flops": flops,
        "matmul": rate,
        "clocks": {"before": clocks, "after": machine.clocks(device)},
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def resolved_setting(subject: Subject, pipeline: NOVAPipeline, setting: Setting) -> dict[str, Any]:
    """The setting with the values that the model and the machine decide."""
    config, latents = pipeline.transformer.config, latent_frames(pipeline, setting.num_frames)
    height, width = config.image_size
    return {
        **setting.model_dump(mode="json"),
        "dtype": subject.dtype(setting),
        "size": f"{width}x{height}",
        "temporal_autoregressive": config.temporal_autoregressive,
        "latent_frames": latents,
        "decoded_frames": pipeline.vae.num_frames(latents) if config.has_motion else 1,
    }


def _timed(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


class TraceObserver(Observer):
    """Names the parts in a trace."""

    def region(self, name: str) -> Any:
        """A labelled region of the trace."""
        from torch.profiler import record_function

        return record_function(f"nova: {name}")


def write_trace(subject: Subject, setting: Setting, how: TraceSpec, path: Path) -> None:
    """Trace one short call (after a warm-up of the same) for ui.perfetto.dev or chrome://tracing."""
    from torch.profiler import ProfilerActivity, profile

    short = setting.model_copy(
        update={
            "num_frames": min(setting.num_frames, how.num_frames),
            "num_inference_steps": min(setting.num_inference_steps, how.num_inference_steps),
        }
    )
    pipeline = subject.pipeline(short)
    generate(pipeline, short)
    activities = [ProfilerActivity.CPU]
    if subject.device.startswith("cuda"):
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as profiler:
        generate(pipeline, short, TraceObserver())
    write_with(path, lambda temporary: profiler.export_chrome_trace(str(temporary)))
