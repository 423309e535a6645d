"""Verdict files for tests: ordinary, extreme and hostile ones."""

from __future__ import annotations

from typing import Any

from nova_bench.gate.verdict_file import (
    CardDifference,
    Drift,
    Look,
    MetricVerdict,
    Noise,
    PromptLoss,
    Rule,
    SideFacts,
    VerdictFile,
    VerdictName,
)

HOSTILE = (
    "</script><script>document.title='owned'</script> ]]> <b>|`*_%0A::error::\r\n::error::x "
    "\x00\x1b[2J \u202eevil \ud800"
)
NUMBERS: dict[VerdictName, tuple[float, float, float]] = {
    "regressed": (-0.041, -0.062, -0.02),
    "inconclusive": (-0.008, -0.024, 0.008),
    "pass": (0.001, -0.006, 0.008),
    "improved": (0.03, 0.012, 0.048),
}


def metric(name: str, verdict: VerdictName = "pass", **changes: Any) -> MetricVerdict:
    """A metric with numbers that fit its verdict."""
    fields: dict[str, Any] = {
        "metric": name,
        "unit": "",
        "digits": 4,
        "higher_is_better": True,
        "gating": True,
        "composite": False,
        "margin": 0.02,
        "margin_rule": "suite",
        "verdict": verdict,
        "prompts": 72,
        "pairs": 72,
    }
    if verdict == "not comparable":
        fields |= {"a": None, "b": None, "difference": None, "low": None, "high": None, "note": "fps: 8 in A, 12 in B"}
    else:
        difference, low, high = NUMBERS[verdict]
        fields |= {"a": 0.91, "b": 0.91 + difference, "difference": difference, "low": low, "high": high}
        fields |= {"method": "max-T", "p": 0.004, "p_family": 0.021, "p_error": 0.0006}
    return MetricVerdict(**fields | changes)


def loss(prompt: str, difference: float = -0.3, prompt_id: str = "", indices: tuple[int, ...] = (0,)) -> PromptLoss:
    """A prompt that lost ``difference``."""
    return PromptLoss(
        prompt_id=prompt_id or prompt[:20], prompt=prompt, a=0.9, b=0.9 + difference, difference=difference,
        indices=indices,
    )  # fmt: skip


def side(label: str = "nova-tiny", **changes: Any) -> SideFacts:
    """One side, complete."""
    fields: dict[str, Any] = {
        "label": label,
        "what": "run",
        "name": "shapes-1a2b3c",
        "created": "2026-11-28T12:00:00Z",
        "model": "ab" * 32,
        "seed": 0,
        "packages": {"torch": "2.9.1", "numpy": "2.3.0"},
        "requested": 72,
        "failed": 0,
        "missing": 0,
    }
    return SideFacts(**fields | changes)


def verdict_file(*metrics: MetricVerdict, verdict: VerdictName = "pass", **changes: Any) -> VerdictFile:
    """A comparison of two sides."""
    fields: dict[str, Any] = {
        "nova_bench": "0.1.0",
        "created": "2026-11-28T12:34:56Z",
        "verdict": verdict,
        "exit_code": 1 if verdict == "regressed" else 0,
        "strict": False,
        "summary": f"{verdict}: {len(metrics)} metrics, the lowest interval ends at -0.062",
        "suite": "shapes",
        "title": "What a small model draws",
        "a": side("nova-tiny", what="baseline", name="nova-tiny.json"),
        "b": side("nova-tiny (step 9000)"),
        "rule": Rule(alpha=0.05, flips=9999, seed=0, missing="worst", pairing="samples"),
        "metrics": metrics,
    }
    return VerdictFile(**fields | changes)


def ordinary() -> VerdictFile:
    """A regression with all that a check can find."""
    prompts = ["a red circle that moves left", "two blue squares below a green star", "a triangle that grows"]
    losses = tuple(loss(text, -0.4 + 0.1 * place) for place, text in enumerate(prompts))
    metrics = (
        metric("shapes/motion", "pass", losses=losses[2:]),
        metric("shapes/color", "regressed", losses=losses, noise=Noise(difference=0.004, reach=0.006, seeds=(1, 2))),
        metric("shapes/count", "inconclusive", detectable=0.03, more_prompts=212, more_samples=4),
        metric("shapes/all", "improved", composite=True),
        metric("psnr", "not comparable", unit="dB", digits=2),
        metric("dynamic_degree_dis", "pass", gating=False, note="worse, within the margin", p_family=None),
    )
    return verdict_file(
        *metrics,
        verdict="regressed",
        summary="regressed: 1 of 5 metrics: shapes/color -0.0410 [-0.0620, -0.0200], margin 0.02, p = 0.021",
        reasons=("B: 1 of 72 samples failed, 0 are missing", "unknown on one side, so not checked: sampler"),
        looks=(
            Look(share=0.5, prompts=36, alpha=0.003, verdict="inconclusive", stopped=False),
            Look(share=0.75, prompts=54, alpha=0.018, verdict="regressed", stopped=True),
        ),
        card=(
            CardDifference(field="model digest", a="ab" * 32, b="cd" * 32, effect="listed"),
            CardDifference(field="fps", a=8, b=12, effect="refused", waiver="fps"),
            CardDifference(field="precision", a="float32", b="bfloat16", effect="accepted", waiver="precision"),
            CardDifference(field="sampler", a=None, b="euler", effect="unknown"),
        ),
        b=side("nova-tiny (step 9000)", failed=1),
        drift=Drift(since="2026-09-01", blessings=3, verdict="inconclusive", metrics=metrics[:2]),
    )


def hostile() -> VerdictFile:
    """Foreign text everywhere."""
    text, long = HOSTILE, HOSTILE + "word " * 1000
    return verdict_file(
        metric(text, "regressed", unit=text, note=text, method=text, margin_rule=text, losses=(loss(long), loss(text))),
        metric("b", "not comparable", note=text),
        verdict="regressed",
        summary=text,
        title=text,
        reasons=(text, long),
        card=(CardDifference(field=text, a=text, b={"x": [text]}, effect="refused", waiver=text),),
        a=side(text, name=text, created=text, packages={"<b>": text}),
        b=side(long, name=text, failed=2),
        drift=Drift(since=text, blessings=1, verdict="pass", metrics=(metric(text),)),
    )


def large() -> VerdictFile:
    """16 metrics, 3 composites, 944 prompts that lost in each."""
    verdicts: tuple[VerdictName, ...] = ("regressed", "inconclusive", "pass", "improved")
    losses = tuple(loss(f"prompt {number}: a cat " * 6, -1 / (1 + number), f"p{number}") for number in range(944))
    metrics = [
        metric(f"vbench/dimension_number_{number}", verdicts[number % 4], losses=losses, prompts=944)
        for number in range(16)
    ]
    metrics += [metric(f"vbench/composite_{number}", "pass", composite=True) for number in range(3)]
    return verdict_file(*metrics, verdict="regressed", b=side(requested=4720))
