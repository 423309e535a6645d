"""Answers that are neither yes nor no: they count as no, and a run that has any says so and is incomplete."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nova_bench.config.units import Unit
from nova_bench.core.messages import shorten
from nova_bench.core.visible_text import visible
from nova_bench.pipeline.aggregate import MetricSummary, SampleScore
from nova_bench.report.answers import judged_answers, judges_of, said_no, said_yes
from nova_bench.report.uncounted import prompt_label

UNCLEAR = "unclear_answers.csv"
"""Every such answer of a report."""


def unclear_answers(summaries: Sequence[MetricSummary], place: str = "") -> list[str]:
    """A line for each judge with such answers: how many there are, and the first of them; ``place`` lists them all."""
    lines = []
    for judge, summary in judges_of(summaries).items():
        found = list(_unclear(summary.samples))
        if found:
            unit, first = found[0]
            answers = sum(len(judged_answers(score)) for score in summary.samples)
            lines.append(
                f"{judge}: {len(found):,} of {answers:,} answers are neither yes nor no and count as "
                f"no{f': see {place}' if place else ''} (the first: {prompt_label(unit)} "
                f"[{unit.sample_index}], {shorten(str(first['question']))}: {shorten(str(first['answer']))})"
            )
    return lines


def unclear_answers_csv(summaries: Sequence[MetricSummary]) -> str:
    """Every such answer, image by image; empty if there is none."""
    rows = [
        (
            *(judge, unit.prompt, unit.sample_index, answer["number"], answer.get("category", "")),
            *(answer["question"], answer["answer"], answer.get("p")),
        )
        for judge, summary in judges_of(summaries).items()
        for unit, answer in _unclear(summary.samples)
    ]
    if not rows:
        return ""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    header = ("judge", "prompt", "sample_index", "number", "category", "question", "answer", "p")
    writer.writerows([header, *rows])
    return visible(stream.getvalue())


def _unclear(scores: Sequence[SampleScore]) -> Iterator[tuple[Unit, Mapping[str, Any]]]:
    for score in scores:
        yield from ((score.unit, one) for one in judged_answers(score) if not (said_yes(one) or said_no(one)))
