"""How long a measurement will take, to compare with the remaining time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nova_bench.experiments.latency.spec import MeasureSpec, Setting
from nova_bench.experiments.latency.subject import Subject, generate, latent_frames

if TYPE_CHECKING:
    from nova_bench.nova import NOVAPipeline


COMPILE_SECONDS = 90.0
"""With less time left nothing is compiled: compilation takes about this long, and can't be estimated beforehand."""


def expected_seconds(subject: Subject, setting: Setting, how: MeasureSpec) -> float:
    """Seconds that measuring ``setting`` will take, from calls of one frame with few autoregressive steps.

    Calls of two lengths separate the time of a step from the rest of a frame; each is made once beforehand, which
    compiles and captures what will be needed anyway. All frames are assumed to take equally long, which underestimates
    slightly if attention covers all of them. UserError for a setting that this model doesn't support.
    """
    pipeline, steps = subject.pipeline(setting), setting.num_inference_steps
    few = max(1, steps // 32)
    brief, longer = (
        setting.model_copy(update={"num_frames": 1, "num_inference_steps": min(steps, n)}) for n in (few, 2 * few)
    )
    generate(pipeline, brief)
    generate(pipeline, longer)
    seconds = [_seconds(pipeline, call) for call in (brief, longer)]
    step = max(0.0, seconds[1] - seconds[0]) / few
    frame = max(0.0, seconds[0] - step * few) + step * steps

    def call(num_frames: int) -> float:
        return latent_frames(pipeline, num_frames) * frame

    turn = call(setting.num_frames)
    warmup = call(min(setting.num_frames, how.warmup_frames or setting.num_frames))
    return how.warmup * warmup + min(how.repeats * turn, how.seconds + turn)


def _seconds(pipeline: NOVAPipeline, setting: Setting) -> float:
    started = time.perf_counter()
    generate(pipeline, setting)
    return time.perf_counter() - started
