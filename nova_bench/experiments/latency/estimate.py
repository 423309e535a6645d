"""How long a measurement will take: what is compared with the time that is left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nova_bench.experiments.latency.spec import MeasureSpec, Setting
from nova_bench.experiments.latency.subject import Subject, generate, latent_frames

if TYPE_CHECKING:
    from nova_bench.nova import NOVAPipeline


COMPILE_SECONDS = 90.0
"""With less than this left nothing is compiled: that alone takes about so long, and isn't known before it was done."""


def expected_seconds(subject: Subject, setting: Setting, how: MeasureSpec) -> float:
    """Seconds that measuring ``setting`` will take, from calls of one frame with few autoregressive steps.

    Two lengths of such calls tell a step from what each frame costs besides; both are made once beforehand, which
    compiles and captures what will be needed anyway. Frames are taken as equally long, which is a little too short
    where attention goes over all of them. UserError for a setting that this model can't be in.
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
