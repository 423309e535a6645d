"""A few samples of a plan that is too long to run whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from nova_bench.config.suite import ScorerUse

Sample = TypeVar("Sample")


def limited(
    samples: Sequence[Sample], limit: int | None, uses: Sequence[ScorerUse], tags_of: Callable[[Sample], Sequence[str]]
) -> list[Sample]:
    """``limit`` samples, the first ones that give every scorer some, in the order of ``samples``; all if None.

    Scorers take turns: in round r, each that has fewer than r samples so far takes the next one with its tags. If
    all score everything, these are the first samples; if scorers find too few, the first of the others are added.
    """
    if limit is None or limit >= len(samples):
        return list(samples)
    tags = [frozenset(tags_of(sample)) for sample in samples]
    scorers_of = {have: [i for i, use in enumerate(uses) if not use.tags or have & {*use.tags}] for have in set(tags)}
    queues = [iter([p for p, have in enumerate(tags) if i in scorers_of[have]]) for i in range(len(uses))]
    counts = [0] * len(uses)
    chosen: set[int] = set()

    def take_next(positions: Iterator[int]) -> None:
        position = next((p for p in positions if p not in chosen), None)
        if position is not None:
            chosen.add(position)
            for scorer in scorers_of[tags[position]]:
                counts[scorer] += 1

    for wanted in range(1, limit + 1):
        for scorer, queue in enumerate(queues):
            if counts[scorer] < wanted and len(chosen) < limit:
                take_next(queue)
    everything = iter(range(len(samples)))
    while len(chosen) < limit:
        take_next(everything)
    return [samples[position] for position in sorted(chosen)]
