"""The overhead of a stopwatch, compared with calls that are not timed inside."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

from nova_bench.core.stopwatch import make_stopwatch
from nova_bench.experiments.latency.comparison import Comparison
from nova_bench.experiments.latency.measure import resolved_setting
from nova_bench.experiments.latency.spec import OverheadSpec, Setting
from nova_bench.experiments.latency.subject import Subject, generate

LOOK_EVERY = 10
"""Blocks between two looks at the interval."""


def compare(subject: Subject, setting: Setting, how: OverheadSpec) -> dict[str, Any]:
    """Make blocks of four calls, two of them with a stopwatch; returns the seconds of each block's calls as JSON.

    Calls end at the latents: the autoencoder, a large part of a short call, is one region and would hide the others.

    ``blocks``: ``{"wall": {"with": [s, s], "without": [s, s]}, "processor": ...}``, the latter only on a CPU.
    """
    pipeline, device = subject.pipeline(setting), subject.device
    on_host = not device.startswith("cuda")
    generate(pipeline, setting, decode=False)

    def call(observed: bool) -> dict[str, float]:
        watch = make_stopwatch(device) if observed else None
        gc.collect()
        wall, processor = time.perf_counter(), time.process_time()
        generate(pipeline, setting, watch, decode=False)
        spent = {"processor": time.process_time() - processor, "wall": time.perf_counter() - wall}
        return spent if on_host else {"wall": spent["wall"]}

    gc.collect()
    gc.freeze()  # existing objects needn't be scanned before every call
    try:
        blocks = _blocks(call, how)
    finally:
        gc.unfreeze()
    return {"setting": resolved_setting(subject, pipeline, setting), "blocks": blocks}


def _blocks(call: Callable[[bool], dict[str, float]], how: OverheadSpec) -> list[dict[str, dict[str, list[float]]]]:
    """Blocks of four calls until ``how`` ends them."""
    blocks: list[dict[str, dict[str, list[float]]]] = []
    began = time.perf_counter()
    while len(blocks) < how.blocks and (not blocks or time.perf_counter() - began < how.seconds):
        first = len(blocks) % 2 == 1
        calls = [(observed, call(observed)) for observed in (first, not first, not first, first)]
        blocks.append(
            {
                clock: {
                    "with": [spent[clock] for observed, spent in calls if observed],
                    "without": [spent[clock] for observed, spent in calls if not observed],
                }
                for clock in calls[0][1]
            }
        )
        if len(blocks) % LOOK_EVERY == 0:
            found = Comparison({"blocks": blocks})
            interval = found.interval(found.clock)
            if interval is not None and interval[1] - interval[0] < how.width:
                break
    return blocks
