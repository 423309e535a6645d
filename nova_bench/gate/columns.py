"""The metrics and composites that can be compared, as the arrays that the statistics take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nova_bench.config.catalog import COMPOSITES
from nova_bench.config.suite import GateSpec
from nova_bench.gate.margins import composite_margin, margin_of
from nova_bench.gate.pairing import Key, MetricColumns, MetricPairs, Pairing, pair_metric
from nova_bench.gate.side import MetricData, Side
from nova_bench.gate.statistics.paired import Paired
from nova_bench.pipeline.composite import combined, leaf_metrics
from nova_bench.protocols.base import Composite

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Columns:
    """Columns ``names`` (metrics, then composites) over the prompts ``order``; ``needs`` says why a name is not among
    them. Lists without a comment are parallel to ``names``."""

    a: Side
    b: Side
    order: tuple[Key, ...]
    prompts_b: Mapping[Key, str]
    names: tuple[str, ...]
    known: tuple[MetricData | Composite, ...]
    margins: tuple[float, ...]
    margin_rules: tuple[str, ...]
    values_a: tuple[float, ...]
    values_b: tuple[float, ...]
    paired: Paired
    pairs: Mapping[str, MetricPairs]
    """By name of the metric."""
    of: Mapping[str, MetricColumns]
    """By name of the metric."""
    needs: Mapping[str, str]


def comparable_columns(
    a: Side,
    b: Side,
    prompts: tuple[Mapping[Key, str], Mapping[Key, str]],
    pairing: Pairing,
    gate: GateSpec,
    problems: Mapping[str, str],
) -> Columns:
    """Pair every metric that has no problem, and add the composites whose parts all have none."""
    import numpy as np

    order, needs = tuple(prompts[0]), {}
    pairs: dict[str, MetricPairs] = {}
    for name, metric in b.metrics.items():
        if name in a.metrics and name not in problems:
            pairs[name] = pair_metric(a.metrics[name], metric, prompts, pairing, gate.missing)
            if not pairs[name].prompts:
                needs[name] = "no prompt has a value on both sides"
                del pairs[name]
    of = {name: pair.columns(order) for name, pair in pairs.items()}
    metrics = list(of)
    found = [_composite(name, metrics) for name in composite_names(a, b)]
    needs |= {composite.name: f"not comparable: {', '.join(absent)}" for composite, absent in found if absent}
    composites = [composite for composite, absent in found if not absent]
    slopes = _slopes(metrics, pairs, composites)
    values = np.array([[of[name].value_a for name in metrics], [of[name].value_b for name in metrics]])
    margins = [margin_of(gate, pairs[name].metric, of[name].a[of[name].samples > 0]) for name in metrics]
    margins += [composite_margin(gate, composite) for composite in composites]

    def stacked(part: str) -> np.ndarray:
        return np.stack([getattr(of[name], part) for name in metrics], axis=1) if metrics else np.zeros((len(order), 0))

    columns = len(metrics) + len(composites)
    return Columns(
        a=a,
        b=b,
        order=order,
        prompts_b=prompts[1],
        names=(*metrics, *(composite.name for composite in composites)),
        known=(*(pairs[name].metric for name in metrics), *composites),
        margins=tuple(margin for margin, _ in margins),
        margin_rules=tuple(rule for _, rule in margins),
        values_a=(*map(float, values[0]), *_values(composites, metrics, values[0])),
        values_b=(*map(float, values[1]), *_values(composites, metrics, values[1])),
        paired=Paired(
            differences=stacked("differences"),
            shares=stacked("shares"),
            slopes=slopes,
            binary=np.array([pairs[name].metric.binary for name in metrics], dtype=bool),
            samples=stacked("samples"),
            gains=stacked("gains"),
            losses=stacked("losses"),
            spread=np.array([of[name].spread for name in metrics]),
            gating=np.ones(columns, dtype=bool),
        ),
        pairs=pairs,
        of=of,
        needs=needs,
    )


def composite_names(a: Side, b: Side) -> list[str]:
    """The composites of either side. One that needs a scorer outside both suites is left out, as in a run."""
    measured = {*a.metrics, *a.not_computed, *b.metrics, *b.not_computed}
    names = dict.fromkeys((*b.composites, *a.composites))
    return [name for name in names if measured.issuperset(leaf_metrics(COMPOSITES.get(name), COMPOSITES.all()))]


def _composite(name: str, metrics: Sequence[str]) -> tuple[Composite, list[str]]:
    """A composite and those of its parts that can't be compared."""
    composite = COMPOSITES.get(name)
    return composite, [leaf for leaf in leaf_metrics(composite, COMPOSITES.all()) if leaf not in metrics]


def _slopes(metrics: Sequence[str], pairs: Mapping[str, MetricPairs], composites: Sequence[Composite]) -> np.ndarray:
    """[metrics, columns]: change of each oriented column per change of an oriented metric; composites are linear."""
    import numpy as np

    signs = np.array([pairs[name].metric.orientation for name in metrics], dtype=float)
    parts = [np.eye(len(metrics))]
    for composite in composites:
        zero = combined(composite, dict.fromkeys(metrics, 0.0), COMPOSITES.all())
        slope = [
            combined(composite, {**dict.fromkeys(metrics, 0.0), name: 1.0}, COMPOSITES.all()) - zero for name in metrics
        ]
        parts.append((np.array(slope) * signs * (1 if composite.higher_is_better else -1))[:, None])
    return np.concatenate(parts, axis=1)


def _values(composites: Sequence[Composite], metrics: Sequence[str], values: np.ndarray) -> list[float]:
    measured = {name: float(value) for name, value in zip(metrics, values, strict=True)}
    return [float(combined(composite, measured, COMPOSITES.all())) for composite in composites]
