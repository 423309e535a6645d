"""Runs of DPG-Bench's scorers made of answers, without images, models and judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nova_bench.config.loading import load_suite
from nova_bench.config.metadata import ITEM, Metadata
from nova_bench.config.suite import ReferenceSpec, ScorerUse
from nova_bench.config.units import Unit
from nova_bench.pipeline.aggregate import MetricSummary, collect, collect_rows, summarise
from nova_bench.pipeline.categories import CategoryScore, category_scores
from nova_bench.pipeline.plan import Plan, PlannedScorer, plan_scorers
from nova_bench.scorers.dpg.answers import DPGSettings
from nova_bench.store import Row, Status
from nova_bench.video.limits import MediaLimits

QUESTIONS = [
    {"number": 1, "text": "Is there a cat?", "proposition": "entity - whole (cat)", "parents": [0], "line": 2},
    {
        "number": 2,
        "text": "Is it red?",
        "proposition": "attribute - color (cat, red)",
        "parents": [1],
        "line": 3,
    },
    {"number": 3, "text": "Is it a painting?", "proposition": "global - (painting)", "parents": [0], "line": 4},
]
YES, NO, LATE = ("yes", "yes", "yes"), ("no", "yes", "yes"), ("yes", "no", "yes")
"""Answers to the three: with `NO`, the second is zeroed by the first."""
Answers = Sequence[tuple[str, ...] | None]
"""The answers about each image of a prompt; None for an image that failed."""


@dataclass(frozen=True)
class Made:
    plan: Plan
    summaries: list[MetricSummary]
    categories: dict[str, tuple[CategoryScore, ...]]


def dpg_run(prompts: Sequence[Answers], judge: str = "mplug", **metadata: Any) -> Made:
    """A run whose prompts have these answers; ``metadata`` goes to the first prompt."""
    uses = [ScorerUse(name=name, settings=DPGSettings(judge=judge)) for name in ("dpg_bench", "dpg_bench_corrected")]
    scorers = [
        scorer for use in uses for scorer in plan_scorers(use, lambda name: name, ReferenceSpec(), MediaLimits())
    ]
    units, rows = [], {}
    for place, images in enumerate(prompts):
        values = {ITEM: f"item{place}", "dpg_questions": QUESTIONS, **(metadata if place == 0 else {})}
        for index, answers in enumerate(images):
            unit = _unit(place, index, Metadata.of(values))
            units.append(unit)
            for scorer in scorers:
                row = _row(unit, scorer, answers, judge)
                rows[row.key] = row
    suite = load_suite("dpg")
    statistics = suite.statistics.model_copy(update={"resamples": 200})
    suite = suite.model_copy(update={"statistics": statistics})
    summaries = summarise(scorers, [collect(units, scorer, {}, rows) for scorer in scorers], statistics)
    categories = {s.info.name: category_scores(s, collect_rows(units, s, {}, rows), statistics) for s in scorers}
    return Made(Plan(suite, tuple(units), tuple(scorers), "0" * 64), summaries, categories)


def _unit(place: int, index: int, metadata: Metadata) -> Unit:
    return Unit(
        digest=f"unit {place} {index}",
        prompt_id=f"prompt {place}",
        prompt=f"a cat, {place}",
        model_text="",
        sample_index=index,
        seed=100 * place + index,
        source=f"item{place}.png",
        content_digest=f"content {place} {index}",
        metadata=metadata,
        imported=True,
    )


def _row(unit: Unit, scorer: PlannedScorer, answers: tuple[str, ...] | None, judge: str) -> Row:
    details: Mapping[str, Any] = {}
    if answers is not None:
        zeroed = [None, None if answers[0] == "yes" else 1, None]
        told = [
            {
                "line": 0,
                "number": q["number"],
                "parents": q["parents"],
                "category": str(q["proposition"]).split(" (")[0],
                "question": q["text"],
                "answer": answer,
                "p": None,
                "zeroed_by": by,
                "official_zeroed_by": by,
            }
            for q, answer, by in zip(QUESTIONS, answers, zeroed, strict=True)
        ]
        details = {"judge": judge, "answers": told, "official_problem": ""}
    return Row(
        artifact=unit.content_digest,
        identity=scorer.identity,
        inputs=scorer.inputs(unit),
        scorer="dpg_bench",
        version="1",
        status=Status.OK if answers else Status.FAILED,
        value=50.0 if answers else None,
        message="" if answers else "the judge died",
        details=dict(details),
    )
