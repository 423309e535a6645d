"""The answers of judges in the rows of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nova_bench.pipeline.aggregate import MetricSummary, SampleScore


def answers_of(name: str, value: object) -> list[Mapping[str, Any]]:
    """A row's answers to questions, each with its ``question`` and ``answer``; empty for other details."""
    known = name == "answers" and isinstance(value, list) and all(isinstance(part, Mapping) for part in value)
    return list(value) if known and isinstance(value, list) else []


def judged_answers(score: SampleScore) -> list[Mapping[str, Any]]:
    """The answers of a result's row; empty if it has none."""
    return answers_of("answers", score.row.details.get("answers")) if score.row else []


def said_yes(answer: Mapping[str, Any]) -> bool:
    """Whether a judge's answer is yes, before anything makes it count as no."""
    return bool(answer["answer"] == "yes")


def said_no(answer: Mapping[str, Any]) -> bool:
    """Whether a judge's answer is no in so many words."""
    return bool(answer["answer"] == "no")


def judges_of(summaries: Sequence[MetricSummary]) -> dict[str, MetricSummary]:
    """Each judge's first metric: all of its metrics are made of the same answers."""
    found: dict[str, MetricSummary] = {}
    for summary in summaries:
        judge = next((str(s.row.details["judge"]) for s in summary.samples if s.row and judged_answers(s)), None)
        if judge is not None:
            found.setdefault(judge, summary)
    return found
