"""How the samples of a run were made, in a few lines for the top of its page."""

from __future__ import annotations

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
    prompts = len({unit.prompt_id for unit in plan.units})
    each = {sum(1 for _ in group) for group in _by_prompt(plan)}
    samples = f" x {min(each)} samples" if each and each != {1} and len(each) == 1 else ""
    yield "prompts", f"{prompts:,}{samples}"
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


def _by_prompt(plan: Plan) -> Iterator[list[int]]:
    groups: dict[str, list[int]] = {}
    for unit in plan.units:
        groups.setdefault(unit.prompt_id, []).append(unit.sample_index)
    yield from groups.values()
