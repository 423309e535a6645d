"""Pairs two sides, prompt by prompt: prompt means on each side, then their differences, as arrays for the statistics.

With equal seeds, samples are paired by prompt and index, and a pair counts if both samples have a value. With other
seeds, and for a filtered metric, whose filter keeps other samples on each side, each side's prompt mean is that of
its own samples. A sample that failed in B and not in A counts as the metric's worst value, or is left out
(`missing: drop`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from nova_bench.core.statistics import ROUNDING
from nova_bench.gate.side import MetricData, Sample, Side
from nova_bench.store import Status

if TYPE_CHECKING:
    import numpy as np

Pairing = Literal["samples", "prompt means"]
Key = str
"""A prompt as both sides know it."""


@dataclass(frozen=True)
class PromptPair:
    """One prompt's values of a metric on both sides, sample by sample, after failed samples got their value.

    ``indices`` are those of B's samples; with the pairing "samples" they are A's too.
    """

    a: tuple[Sample, ...]
    b: tuple[Sample, ...]
    indices: tuple[int, ...]

    @property
    def weight(self) -> float:
        """The prompt's weight in the metric's mean."""
        return (sum(sample.weight for sample in self.a) + sum(sample.weight for sample in self.b)) / 2

    @property
    def pairs(self) -> int:
        """Sample pairs behind it: the smaller number of the two sides."""
        return min(len(self.a), len(self.b))


@dataclass
class MetricPairs:
    """One metric, paired. ``prompts`` has those with a value on both sides."""

    metric: MetricData
    prompts: dict[Key, PromptPair] = field(default_factory=dict)
    counted_as_worst: int = 0
    worst: float | None = None
    dropped: int = 0

    def columns(self, order: Sequence[Key]) -> MetricColumns:
        """As arrays over the prompts in ``order``."""
        return _columns(self, order)


@dataclass(frozen=True)
class MetricColumns:
    """One metric as arrays [prompts]; 0 where a prompt lacks it. Differences are oriented: negative is worse.

    ``a`` and ``b`` are prompt means. ``gains`` and ``losses`` count the sample pairs in which B is better, or worse.
    ``spread`` is the variance of one sample pair's difference within prompts; NaN if no prompt has two pairs.
    """

    a: np.ndarray
    b: np.ndarray
    differences: np.ndarray
    shares: np.ndarray
    samples: np.ndarray
    gains: np.ndarray
    losses: np.ndarray
    spread: float

    @property
    def value_a(self) -> float:
        """The metric's value on side A over what is compared."""
        return float(self.shares @ self.a)

    @property
    def value_b(self) -> float:
        """The metric's value on side B over what is compared."""
        return float(self.shares @ self.b)


def common_prompts(a: Side, b: Side) -> tuple[dict[Key, str], dict[Key, str]]:
    """Key -> prompt id on each side, for the prompts that both have.

    Prompts are the same if their ids are. If no id is shared, as between a run with first frames and a folder of its
    videos, they are the same if their texts are, provided that these are unique on both sides. The files of two folders
    are paired by name.
    """
    if a.names is not None and b.names is not None:
        ours, theirs = ({name: prompt for prompt, name in (side.names or {}).items()} for side in (a, b))
        both = [name for name in ours if name in theirs]
        return {name: ours[name] for name in both}, {name: theirs[name] for name in both}
    if shared := [prompt for prompt in a.prompts if prompt in b.prompts]:
        same = {prompt: prompt for prompt in shared}
        return same, dict(same)
    ours, theirs = ({text: prompt for prompt, text in side.prompts.items()} for side in (a, b))
    if len(ours) < len(a.prompts) or len(theirs) < len(b.prompts):
        return {}, {}
    both = [text for text in ours if text in theirs]
    return {text: ours[text] for text in both}, {text: theirs[text] for text in both}


def pair_metric(
    a: MetricData,
    b: MetricData,
    prompts: tuple[Mapping[Key, str], Mapping[Key, str]],
    pairing: Pairing,
    missing: Literal["worst", "drop"],
) -> MetricPairs:
    """Pair one metric over the prompts (key -> prompt id on each side)."""
    pairs = MetricPairs(b)
    worst = _worst_value(a)
    for key, identity in prompts[0].items():
        ours = a.samples.get(identity, {})
        theirs = dict(b.samples.get(prompts[1][key], {}))
        if missing == "worst" and worst is not None:
            for index, sample in ours.items():
                there = theirs.get(index)
                if sample.status == Status.OK and there is not None and there.status == Status.FAILED:
                    theirs[index] = Sample(Status.OK, worst, sample.weight)
                    pairs.counted_as_worst += 1
                    pairs.worst = worst
        if pairing == "samples" and not (a.filtered or b.filtered):
            both = [index for index in ours if index in theirs]
            kept = [i for i in both if ours[i].status == theirs[i].status == Status.OK]
            pairs.dropped += len({*ours, *theirs}) - len(kept)
            pair = PromptPair(tuple(ours[i] for i in kept), tuple(theirs[i] for i in kept), tuple(kept))
        else:
            mine, its = ([i for i, sample in side.items() if sample.status == Status.OK] for side in (ours, theirs))
            pairs.dropped += len(ours) - len(mine) + len(theirs) - len(its)
            pair = PromptPair(tuple(ours[i] for i in mine), tuple(theirs[i] for i in its), tuple(its))
        if pair.a and pair.b:
            pairs.prompts[key] = pair
    return pairs


def _worst_value(metric: MetricData) -> float | None:
    """The worst value that the metric can have; where it has no limit, the worst on this side."""
    limit = metric.range[0] if metric.higher_is_better else metric.range[1]
    if limit is not None:
        return limit
    seen = [s.value for samples in metric.samples.values() for s in samples.values() if s.value is not None]
    return (min(seen) if metric.higher_is_better else max(seen)) if seen else None


def _columns(pairs: MetricPairs, order: Sequence[Key]) -> MetricColumns:
    import numpy as np

    sign, weighted = pairs.metric.orientation, pairs.metric.weighted
    a, b, weights, samples, gains, losses = np.zeros((6, len(order)))
    squares, freedom = 0.0, 0
    for position, key in enumerate(order):
        pair = pairs.prompts.get(key)
        if pair is None:
            continue
        a[position], b[position] = _mean(pair.a, weighted), _mean(pair.b, weighted)
        weights[position] = pair.weight if weighted else (len(pair.a) + len(pair.b)) / 2
        samples[position] = pair.pairs
        differences = np.array([sign * (_value(y) - _value(x)) for x, y in zip(pair.a, pair.b, strict=False)])
        gains[position], losses[position] = (differences > 0).sum(), (differences < 0).sum()
        if len(differences) > 1:
            squares += float(((differences - differences.mean()) ** 2).sum())
            freedom += len(differences) - 1
    total = weights.sum()
    return MetricColumns(
        a=a,
        b=b,
        differences=np.where(np.isclose(a, b, rtol=ROUNDING, atol=0.0), 0.0, sign * (b - a)),
        shares=weights / total if total else weights,
        samples=samples,
        gains=gains,
        losses=losses,
        spread=squares / freedom if freedom else float("nan"),
    )


def _mean(samples: Sequence[Sample], weighted: bool) -> float:
    weights = [sample.weight if weighted else 1.0 for sample in samples]
    return sum(_value(sample) * weight for sample, weight in zip(samples, weights, strict=True)) / sum(weights)


def _value(sample: Sample) -> float:
    assert sample.value is not None, "only samples with a value are paired"
    return sample.value
