"""How the samples of a run were made, in a few lines for the top of its page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from nova_bench.pipeline.plan import Plan
from nova_bench.report.naming import model_name

NAMES = {
    "num_inference_steps": "autoregressive steps",
    "num_diffusion_steps": "diffusion steps",
    "guidance_scale": "guidance",
    "motion_flow": "motion",
    "negative_prompt": "negative prompt",
}
"""Settings of sampling that the page names, in this order."""


def protocol(plan: Plan, invocation: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(name, value) of what decides whether numbers may be compared; what files from elsewhere don't tell is left out.

    ``invocation`` is the run's last one, which knows the device.
    """
    suite = plan.suite
    yield "model", model_name(plan)
    samples = Counter(unit.prompt_id for unit in plan.units)
    each = {*samples.values()}
    yield "prompts", f"{len(samples):,}{f' x {max(each)} samples' if len(each) == 1 and each != {1} else ''}"
    if any(unit.source for unit in plan.units):
        yield "samples", "files from elsewhere"
    else:
        sampling = suite.model.sampling or suite.sampling
        frames, height, width = sampling.num_frames, sampling.height, sampling.width
        if frames is not None:
            yield "frames", str(frames) if frames == 1 else f"{frames} at {sampling.fps} fps"
        if height and width:
            yield "size", f"{height} x {width}"
        for name, title in NAMES.items():
            if (value := getattr(sampling, name)) is not None:
                yield title, f"{value:g}" if isinstance(value, float) else str(value)
        yield "seed", str(suite.seed)
    if plan.scorers:
        yield "scorers", f"{len(plan.scorers)}, versions and weights under Provenance"
    if device := invocation.get("device"):
        yield "device", device.partition(", products")[0]
