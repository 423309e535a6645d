"""A metric by category, such as DPG-Bench's thirteen kinds of questions, with intervals over prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pkgutil import resolve_name

from nova_bench.config.suite import StatisticsSpec
from nova_bench.core.intervals import Method, cluster_means
from nova_bench.pipeline.aggregate import SampleScore, by_prompt, recorded
from nova_bench.pipeline.plan import PlannedScorer
from nova_bench.scorers.base import Counted


@dataclass(frozen=True)
class CategoryScore:
    """A category of a metric: the ``share`` of its answers that are favourable, None without any.

    ``questions`` of the ``asked`` ones have answers that count.
    """

    name: str
    group: str
    share: float | None
    interval: tuple[float, float] | None
    method: Method
    n_prompts: int
    answers: int
    questions: int
    asked: int


def category_scores(
    scorer: PlannedScorer, scores: Sequence[SampleScore], statistics: StatisticsSpec
) -> tuple[CategoryScore, ...]:
    """The categories of a metric from its rows, sorted by name; none for a metric without categories."""
    import numpy as np

    if not scorer.info.breakdown:
        return ()
    breakdown = resolve_name(scorer.info.breakdown)
    prompts: list[list[Counted]] = [
        breakdown([recorded(score, scorer.info) for score in prompt]) for prompt in by_prompt(scores)
    ]
    groups = {counted.category: counted.group for prompt in prompts for counted in prompt}
    place = {name: index for index, name in enumerate(sorted(groups))}
    sums, weights = np.zeros((2, len(prompts), len(place)))
    known: Mapping[str, list[int]] = {name: [0, 0] for name in place}
    for row, prompt in enumerate(prompts):
        for counted in prompt:
            sums[row, place[counted.category]] += counted.favourable
            weights[row, place[counted.category]] += counted.answers
            known[counted.category][0] += counted.questions
            known[counted.category][1] += counted.asked
    if not place:
        return ()
    means = cluster_means(sums[None], weights[None], statistics, [False] * len(place))
    intervals = means.intervals(statistics.confidence).within([(0.0, 1.0)] * len(place))
    found = []
    for name, index in place.items():
        share, low, high = (float(part[index]) for part in (means.value, intervals.low, intervals.high))
        found.append(
            CategoryScore(
                name=name,
                group=groups[name],
                share=None if share != share else share,
                interval=None if low != low else (low, high),
                method=intervals.methods[index],
                n_prompts=int(intervals.clusters[index]),
                answers=int(weights[:, index].sum()),
                questions=known[name][0],
                asked=known[name][1],
            )
        )
    return tuple(found)
