"""What a sample filter costs: how many samples are made so that it can keep the first N of each prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from nova_bench.pipeline.aggregate import SampleScore
from nova_bench.pipeline.plan import Plan, PlannedScorer
from nova_bench.pipeline.sample_filter import filter_of
from nova_bench.store import Status


@dataclass(frozen=True)
class FilterCost:
    """The samples that only a filtered metric and its deciding scorer use, for metrics with `keep: {first: N}`."""

    metric: str
    decider: str
    first: int
    prompts: int
    samples: int
    """All candidates."""
    least: int
    """Samples that are needed if the filter keeps every one that it hasn't seen yet."""
    most: int
    """Samples that are needed if it keeps none of those."""
    others: int
    """Samples that other scorers of the run need, or none."""
    made: int

    def text(self, seconds_per_sample: float | None, seconds_left: float | None) -> str:
        """One line; the times are those of making and scoring one sample here, and of all that the run has left."""
        each = f"{self.samples / self.prompts:g}" if self.prompts else "0"
        shares = [round(100 * count / (self.others + count)) for count in (self.least, self.most) if count]
        line = (
            f"{self.decider}: {self.prompts} prompts x {each} samples for {self.metric}, which ends at a prompt's "
            f"{_ordinal(self.first)} kept sample: {_span(self.least, self.most)} videos, "
            f"{_span(*(shares or [0]))} % of all"
        )
        if seconds_per_sample is None or seconds_left is None or self.made == self.most:
            return line
        least, most = ((count - self.made) * seconds_per_sample for count in (self.least, self.most))
        parts = [round(100 * part / max(seconds_left + part - least, 1e-9)) for part in (least, most)]
        return f"{line}; {_span(round(least / 60), round(most / 60))} min, {_span(*parts)} % of the time left"


def filter_costs(
    plan: Plan,
    scores_of: Callable[[PlannedScorer], Sequence[SampleScore]],
    required: Mapping[str, frozenset[str]],
    made: Callable[[str], bool],
) -> list[FilterCost]:
    """The cost of each filter of a plan that keeps the first samples; ``made`` says whether a unit's sample exists.

    ``required`` is that of :func:`nova_bench.pipeline.sample_filter.required_units`.
    """
    costs = []
    for keeper in plan.scorers:
        if (keep := keeper.keep) is None or keep.first is None:
            continue
        alone = [unit for unit in plan.units if keeper.applies_to(unit) and filter_of(unit, plan.scorers) == keep]
        needed = required[keeper.info.name]
        decider = next(scorer for scorer in plan.scorers if scorer.info.name == keep.scorer)
        kept = {s.unit.digest for s in scores_of(decider) if s.status == Status.OK and s.value == 1}
        least = most = 0
        by_prompt = [list(units) for _, units in groupby(alone, key=lambda unit: unit.prompt_id)]
        for units in by_prompt:
            walked = [unit for unit in units if unit.digest in needed]
            done = sum(unit.digest in kept for unit in walked) == keep.first
            least, most = least + len(walked), most + (len(walked) if done else len(units))
        there = sum(unit.digest in needed and made(unit.digest) for unit in alone)
        others = len(plan.units) - len(alone)
        costs.append(
            FilterCost(
                keeper.info.name, keep.scorer, keep.first, len(by_prompt), len(alone), least, most, others, there
            )
        )
    return costs


def _span(least: int, most: int | None = None) -> str:
    return f"{least:,}" if most in (None, least) else f"{least:,} to {most:,}"


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
