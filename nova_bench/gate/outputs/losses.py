"""The prompts that lost most, over all metrics."""

from __future__ import annotations

from dataclasses import dataclass

from nova_bench.gate.outputs.words import in_margins, ranked
from nova_bench.gate.verdict_file import MetricVerdict, PromptLoss, VerdictFile


@dataclass(frozen=True)
class Loss:
    """What a prompt lost in one metric; ``margins`` is its difference in units of the metric's margin."""

    metric: MetricVerdict
    loss: PromptLoss
    margins: float


@dataclass(frozen=True)
class LostPrompt:
    """A prompt with all that it lost, worst first."""

    prompt_id: str
    prompt: str
    index: int
    """The sample with the largest loss in the metric that lost most."""
    losses: tuple[Loss, ...]


def all_losses(file: VerdictFile) -> list[Loss]:
    """Every listed loss: those in metrics that decide first, then by size in margins."""
    found = [
        Loss(metric, loss, in_margins(metric, loss.difference) or 0.0)
        for metric in ranked(file.metrics)
        for loss in metric.losses
    ]
    return sorted(found, key=lambda item: (not item.metric.gating, item.margins))


def lost_prompts(file: VerdictFile) -> list[LostPrompt]:
    """Each prompt that lost, once; the largest loss in a metric that decides comes first."""
    by_prompt: dict[str, list[Loss]] = {}
    for item in all_losses(file):
        by_prompt.setdefault(item.loss.prompt_id, []).append(item)
    return [
        LostPrompt(
            prompt_id,
            losses[0].loss.prompt,
            losses[0].loss.indices[0] if losses[0].loss.indices else 0,
            tuple(losses),
        )
        for prompt_id, losses in by_prompt.items()
    ]
