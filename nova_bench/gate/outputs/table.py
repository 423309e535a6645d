"""The table of verdicts that the terminal, Markdown, GitHub's step summary and the page show."""

from __future__ import annotations

import re

from nova_bench.gate.outputs.words import SIGNS, ranked, shortened, side_text
from nova_bench.gate.verdict_file import CardDifference, Drift, MetricVerdict, Rule, VerdictFile
from nova_bench.render.grid import format_count
from nova_bench.render.table import Cell, Column, Row, Table

EFFECTS = {
    "refused": "not comparable",
    "accepted": "accepted with --accept",
    "listed": "listed only",
    "unknown": "unknown, so not checked",
}


def verdict_table(file: VerdictFile) -> Table:
    """One row per metric, worst first; metrics that only inform follow those that decide."""
    caption = f"A: {side_text(file.a)}. B: {side_text(file.b)}."
    return _metrics_table("verdict", file.title, file.metrics, file.rule, caption)


def drift_table(drift: Drift, rule: Rule) -> Table:
    """The same for the comparison with the first baseline."""
    times = format_count(drift.blessings, "time")
    caption = f"A: the first baseline, of {drift.since}, blessed again {times} since. B: as above."
    return _metrics_table("drift", f"Drift since the first baseline: {drift.verdict}", drift.metrics, rule, caption)


def _metrics_table(id: str, title: str, metrics: tuple[MetricVerdict, ...], rule: Rule, caption: str) -> Table:
    informing = any(not metric.gating for metric in metrics)
    noisy = any(metric.noise for metric in metrics)
    level = f"{100 * (1 - rule.alpha):g} % interval"
    columns = (
        Column("metric", "Metric", "label"),
        Column("verdict", "Verdict", "label"),
        Column("better", "Better", "direction", of="difference"),
        Column("a", "A"),
        Column("b", "B"),
        Column("difference", "Difference"),
        Column("interval", level, "interval", of="difference"),
        Column("margin", "Margin"),
        *((Column("noise", "Seed noise"),) if noisy else ()),
        *((Column("unit", "Unit", "unit", of="difference"),) if any(metric.unit for metric in metrics) else ()),
        Column("p", "p"),
    )
    groups = {True: "Deciding", False: "Information: decides nothing"}
    return Table(
        id=id,
        title=title,
        columns=columns,
        rows=tuple(Row(_cells(m), groups[m.gating] if informing else None) for m in ranked(metrics)),
        caption=caption,
        notes=(_how(metrics, rule),),
    )


def looks_table(file: VerdictFile) -> Table:
    """The preplanned looks that were taken."""
    columns = (
        Column("look", "Look", "label"),
        Column("prompts", "Prompts"),
        Column("alpha", "Error spent"),
        Column("verdict", "Verdict", "label"),
    )
    rows = [
        {
            "look": Cell(f"{look.share:.0%} of the prompts"),
            "prompts": Cell(look.prompts),
            "alpha": Cell(look.alpha),
            "verdict": Cell(f"{SIGNS[look.verdict]} {look.verdict}{': ended here' if look.stopped else ''}"),
        }
        for look in file.looks
    ]
    note = "Error spent: the probability of a wrong verdict up to this look, of all that the rule allows."
    return Table("looks", "Preplanned looks", columns, tuple(map(Row, rows)), notes=(note,))


def card_table(file: VerdictFile) -> Table:
    """What the two protocol cards differ in, what matters most first."""
    columns = (
        Column("field", "Field", "label"),
        Column("a", "A", "label"),
        Column("b", "B", "label"),
        Column("effect", "Effect", "label"),
    )
    order = list(EFFECTS)
    card = sorted(file.card, key=lambda difference: order.index(difference.effect))
    return Table("card", "What differs besides the scores", columns, tuple(Row(_difference(item)) for item in card))


def _cells(metric: MetricVerdict) -> dict[str, Cell]:
    digits, known = metric.digits, metric.difference is not None
    name = f"{metric.metric} (composite)" if metric.composite else metric.metric
    bounds = (metric.low, metric.high) if metric.low is not None and metric.high is not None else None
    p = metric.p_family if metric.gating else metric.p
    verdict = f"{SIGNS[metric.verdict]} {metric.verdict}"
    cells = {
        "metric": Cell(name),
        "difference": Cell(
            metric.difference,
            ci=bounds,
            digits=digits,
            unit=metric.unit,
            higher_is_better=metric.higher_is_better,
            note="" if known else metric.note or "no value on one side",
        ),
        "verdict": Cell(verdict, note=metric.note, highlight=metric.gating),
    }
    numbers = {"a": metric.a, "b": metric.b, "margin": metric.margin if known else None}
    cells |= {key: Cell(value, digits=digits) for key, value in numbers.items() if value is not None}
    if metric.noise:
        cells["noise"] = Cell(metric.noise.difference + metric.noise.reach, digits=digits)
    return cells | ({"p": Cell(p)} if p is not None else {})


def _how(metrics: tuple[MetricVerdict, ...], rule: Rule) -> str:
    """How the numbers were computed, in one note."""
    methods = ", ".join(dict.fromkeys(metric.method for metric in metrics if metric.method))
    paired = {"samples": "sample by sample", "prompt means": "by prompt means (the seeds differ)"}[rule.pairing]
    exact = all(metric.p_error == 0 for metric in metrics if metric.p is not None)
    sentences = [
        f"Difference: B - A, paired {paired}; negative is worse, also where less is better.",
        f"Intervals{f' ({methods})' if methods else ''} and p hold for all deciding metrics together"
        + ("; those that only inform have their own." if any(not metric.gating for metric in metrics) else "."),
        "p: all sign flips." if exact else f"p: {rule.flips:,} sign flips, seed {rule.seed}.",
    ]
    if any(metric.noise for metric in metrics):
        sentences.append("Seed noise: how far the metric moves between seeds of one checkpoint, with its uncertainty.")
    return " ".join(sentences)


def _difference(item: CardDifference) -> dict[str, Cell]:
    effect = EFFECTS[item.effect] + (f" {item.waiver}" if item.effect == "accepted" and item.waiver else "")
    if item.effect == "refused":
        effect += f"; --accept {item.waiver} compares anyway" if item.waiver else "; nothing waives it"
    return {"field": Cell(item.field), "a": _value(item.a), "b": _value(item.b), "effect": Cell(effect)}


def _value(value: object) -> Cell:
    text = "unknown" if value is None else str(value)
    return Cell(text[:12] if re.fullmatch("[0-9a-f]{64}", text) else shortened(text))
