"""One metric's part of the verdict file: from a finding of the statistics, or the reason why there is none."""

from __future__ import annotations

import math
from typing import Any

from nova_bench.config.catalog import COMPOSITES
from nova_bench.core.statistics import ROUNDING
from nova_bench.gate.columns import Columns
from nova_bench.gate.side import Side
from nova_bench.gate.statistics.decision import Finding
from nova_bench.gate.verdict_file import MetricVerdict, PromptLoss

LOSSES = 5
"""Prompts that lost most, listed for each metric."""


def metric_verdict(columns: Columns, position: int, finding: Finding, gating: bool) -> MetricVerdict:
    """What was found about the column at ``position``."""
    name = columns.names[position]
    known = columns.known[position]
    pairs = columns.pairs.get(name)
    return MetricVerdict(
        metric=name,
        unit=known.unit,
        digits=known.digits,
        higher_is_better=known.higher_is_better,
        gating=gating,
        composite=pairs is None,
        a=columns.values_a[position],
        b=columns.values_b[position],
        difference=_without_rounding(finding.estimate, columns.values_a[position]),
        low=_bound(finding.low, known.range),
        high=_bound(finding.high, known.range),
        margin=columns.margins[position],
        margin_rule=columns.margin_rules[position],
        verdict=finding.verdict.value,
        note="worse, within the margin" if finding.within_margin else "",
        method=finding.method,
        p=finding.p,
        p_family=finding.p_family,
        p_error=finding.p_error,
        mcnemar=finding.mcnemar,
        detectable=_finite(finding.detectable),
        more_prompts=finding.more_prompts,
        more_samples=finding.more_samples,
        prompts=finding.prompts,
        pairs=sum(pair.pairs for pair in pairs.prompts.values()) if pairs else 0,
        counted_as_worst=pairs.counted_as_worst if pairs else 0,
        worst=pairs.worst if pairs else None,
        dropped=pairs.dropped if pairs else 0,
        losses=_losses(columns, name) if pairs else (),
    )


def _without_rounding(difference: float, value: float) -> float:
    """0 for what only the order of a sum causes."""
    return 0.0 if abs(difference) <= ROUNDING * abs(value) else difference


def _bound(value: float, limits: tuple[float | None, float | None]) -> float | None:
    """A bound of a difference, which can't exceed the width of the metric's range."""
    low, high = limits
    if low is not None and high is not None and math.isfinite(value):
        value = max(low - high, min(value, high - low))
    return _finite(value)


def _finite(value: float) -> float | None:
    """JSON knows no infinity: a bound that says nothing is null."""
    return value if math.isfinite(value) else None


def _losses(columns: Columns, name: str) -> tuple[PromptLoss, ...]:
    column, pairs, sign = columns.of[name], columns.pairs[name], columns.pairs[name].metric.orientation
    contributions = column.shares * column.differences
    losses = []
    for position in contributions.argsort(kind="stable")[:LOSSES]:
        if contributions[position] >= 0:
            break
        key = columns.order[position]
        pair = pairs.prompts[key]
        lost = {
            index: sign * ((ours.value or 0.0) - (theirs.value or 0.0))
            for index, ours, theirs in zip(pair.indices, pair.a, pair.b, strict=False)
        }
        losses.append(
            PromptLoss(
                prompt_id=columns.prompts_b[key],
                prompt=columns.b.prompts[columns.prompts_b[key]],
                a=float(column.a[position]),
                b=float(column.b[position]),
                difference=float(column.differences[position]),
                indices=tuple(sorted(pair.indices, key=lambda index: -lost.get(index, 0.0))),
            )
        )
    return tuple(losses)


def not_comparable(name: str, why: str, gating: bool, a: Side, b: Side) -> MetricVerdict:
    """A metric or composite that can't be compared."""
    known: Any = b.metrics.get(name) or a.metrics.get(name)
    composite = name in (*a.composites, *b.composites)
    if known is None and composite:
        known = COMPOSITES.get(name)
    return MetricVerdict(
        metric=name,
        unit=known.unit if known else "",
        digits=known.digits if known else 4,
        higher_is_better=known.higher_is_better if known else True,
        gating=gating,
        composite=composite,
        a=None,
        b=None,
        difference=None,
        low=None,
        high=None,
        margin=None,
        margin_rule="",
        verdict="not comparable",
        note=why,
    )
