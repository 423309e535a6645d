"""The verdicts' order, signs and sentences, shared by all formats."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from nova_bench.gate.verdict_file import MetricVerdict, SideFacts, VerdictFile, VerdictName
from nova_bench.render.grid import clean_text, format_number

VERDICTS: tuple[VerdictName, ...] = get_args(VerdictName)
"""From worst to best."""
SIGNS: dict[VerdictName, str] = {
    "regressed": "✕",
    "not comparable": "–",
    "inconclusive": "?",
    "pass": "✓",
    "improved": "▲",
}
"""A sign for each verdict, so that no meaning depends on colour."""
PROMPT_LENGTH = 160
"""Characters of a prompt in formats that show no videos; more are cut, which the text says by an ellipsis."""
LABEL_LENGTH = 80
"""Characters of a side's label or name."""


def ranked(metrics: Iterable[MetricVerdict]) -> list[MetricVerdict]:
    """The metrics that decide, then the others; the worst first.

    Regressed metrics are ordered by what they lost, the others by what they may have lost, in margins.
    """

    def place(metric: MetricVerdict) -> tuple[bool, int, float]:
        value = metric.difference if metric.verdict == "regressed" or metric.low is None else metric.low
        return not metric.gating, VERDICTS.index(metric.verdict), in_margins(metric, value) or 0.0

    return sorted(metrics, key=place)


def in_margins(metric: MetricVerdict, value: float | None) -> float | None:
    """A difference of the metric in units of its margin; None if either is unknown."""
    return None if value is None or not metric.margin else value / metric.margin


def interval_text(metric: MetricVerdict) -> str:
    """``-0.020 [-0.031, -0.009]`` with the unit; why there is no difference if there is none."""
    if metric.difference is None:
        return metric.note or "no value"
    text = f"{signed(metric.difference, metric.digits)}{f' {metric.unit}' if metric.unit else ''}"
    if metric.low is None or metric.high is None:
        return text
    return f"{text} [{signed(metric.low, metric.digits)}, {signed(metric.high, metric.digits)}]"


def sentence(metric: MetricVerdict) -> str:
    """``psnr -0.50 dB [-0.80, -0.20], margin 0.4, p = 0.001``."""
    if metric.difference is None:
        return f"{metric.metric}: {metric.note}"
    return ", ".join([f"{metric.metric} {interval_text(metric)}", *margin_and_p(metric)])


def verdict_sentence(metric: MetricVerdict) -> str:
    """``regressed: psnr -0.50 dB [-0.80, -0.20], margin 0.4, p = 0.001``, then the note."""
    note = f", {metric.note}" if metric.note and metric.difference is not None else ""
    return clean_text(f"{metric.verdict}: {sentence(metric)}{note}")


def margin_and_p(metric: MetricVerdict) -> list[str]:
    """``margin 0.4`` and ``p = 0.001``, as far as they are known; p is family-wise for a metric that decides."""
    p = metric.p_family if metric.gating else metric.p
    margin = [f"margin {metric.margin:g}"] if metric.margin is not None else []
    return margin if p is None else [*margin, f"p = {p:.2g}" if p >= 1e-4 else "p < 0.0001"]


def metric_facts(metric: MetricVerdict) -> list[tuple[str, str]]:
    """Everything known about a metric as (name, text), for formats without a table; unknown values are left out."""
    digits, noise, known = metric.digits, metric.noise, metric.difference is not None
    facts: list[tuple[str, object]] = [
        ("A", metric.a if metric.a is None else format_number(metric.a, digits)),
        ("B", metric.b if metric.b is None else format_number(metric.b, digits)),
        ("difference", interval_text(metric) if known else None),
        ("margin", f"{metric.margin:g} ({metric.margin_rule})" if known and metric.margin else None),
        ("method", metric.method or None),
        ("p", metric.p),
        ("p, family-wise", metric.p_family),
        ("McNemar's exact p", metric.mcnemar),
        ("smallest detectable loss", format_number(metric.detectable, digits) if metric.detectable else None),
        ("prompts that would decide", metric.more_prompts),
        ("samples per prompt that would decide", metric.more_samples),
        ("prompts", metric.prompts),
        ("pairs of samples", metric.pairs),
        ("counted as worst", metric.counted_as_worst or None),
        ("left out", metric.dropped or None),
        ("noise between seeds", noise and format_number(noise.difference + noise.reach, digits)),
    ]
    return [
        (name, f"{value:.4g}" if isinstance(value, float) else clean_text(str(value)))
        for name, value in facts
        if value is not None
    ]


def signed(value: float, digits: int) -> str:
    """A difference with its sign."""
    text = format_number(value, digits)
    return f"+{text}" if value > 0 else text


def side_text(side: SideFacts) -> str:
    """``nova-tiny (baseline nova-tiny.json, 2026-11-28)``."""
    facts = [f"{side.what} {shortened(side.name, LABEL_LENGTH)}", (side.created or "")[:10]]
    return f"{shortened(side.label, LABEL_LENGTH)} ({', '.join(filter(None, facts))})"


def tally(file: VerdictFile) -> str:
    """``1 regressed, 3 pass`` for the metrics that decide."""
    found = [metric.verdict for metric in file.metrics if metric.gating]
    counts = [f"{found.count(name)} {name}" for name in VERDICTS if name in found]
    return ", ".join(counts) or "no metric decides"


def shortened(text: str, length: int = PROMPT_LENGTH) -> str:
    """Foreign text on one line, cut to ``length`` characters."""
    line = clean_text(text[: 4 * length])
    return line if len(line) <= length and len(text) <= 4 * length else line[: length - 1] + "…"
