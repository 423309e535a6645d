"""What a report says of metrics that count only the samples that another scorer keeps."""

from __future__ import annotations

from collections.abc import Sequence

from nova_bench.core.notices import Notice
from nova_bench.pipeline.aggregate import MetricSummary
from nova_bench.pipeline.plan import Plan
from nova_bench.store import Status


def keep_notes(summaries: Sequence[MetricSummary]) -> list[str]:
    """Which samples a metric counts, if another metric decides that."""
    notes = []
    for summary in summaries:
        if keep := summary.scorer.keep:
            name = summary.scorer.info.name
            which = f"the first {keep.first} (in the order 0, 1, 10, ..., 2) per prompt of " if keep.first else ""
            enough = (
                f" A prompt that has them needs no further samples, so {keep.scorer} itself covers those up to there: "
                "its mean tends to be above that of all candidates."
            )
            notes.append(f"{name} counts {which}the samples that {keep.scorer} gives 1.{enough if keep.first else ''}")
    return notes


def too_few(plan: Plan, summary: MetricSummary) -> dict[str, int]:
    """Prompts of a filtered metric with fewer kept samples than it counts -> how many they have.

    Prompts with a sample whose verdict is missing are left out. Empty for other metrics.
    """
    keep = summary.scorer.keep
    if keep is None or keep.first is None or summary.value is None:
        return {}
    counts = {unit.prompt_id: 0 for unit in plan.units if summary.scorer.applies_to(unit)}
    for score in summary.samples:
        if score.status == Status.OK:
            counts[score.unit.prompt_id] += 1
        else:
            counts[score.unit.prompt_id] = keep.first
    return {prompt: count for prompt, count in counts.items() if count < keep.first}


def too_few_note(plan: Plan, summary: MetricSummary) -> str:
    """``3 of 75 prompts have fewer than 5 kept samples: 368 of 375``; empty if all have enough."""
    keep, few = summary.scorer.keep, too_few(plan, summary)
    if not few or keep is None or keep.first is None:
        return ""
    prompts = len({unit.prompt_id for unit in plan.units if summary.scorer.applies_to(unit)})
    wanted = prompts * keep.first
    return (
        f"{len(few)} of {prompts} prompts have fewer than {keep.first} samples that {keep.scorer} keeps: "
        f"{wanted - sum(keep.first - count for count in few.values())} of {wanted}"
    )


def too_few_notices(plan: Plan, summaries: Sequence[MetricSummary]) -> list[Notice]:
    """A notice with the prompts for each metric whose filter kept too few samples."""
    texts = {unit.prompt_id: unit.prompt for unit in plan.units}
    return [
        Notice(
            f"{summary.scorer.info.name}: {too_few_note(plan, summary)}",
            tuple(f"{texts[prompt]}: {count} of {summary.scorer.keep.first}" for prompt, count in few.items()),
        )
        for summary in summaries
        if (few := too_few(plan, summary)) and summary.scorer.keep
    ]
