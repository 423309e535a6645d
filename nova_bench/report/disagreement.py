"""Two judges on the same images: how often they agree, on what kinds of questions, and where they don't."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from nova_bench.config.suite import StatisticsSpec
from nova_bench.config.units import Unit
from nova_bench.core.agreement import Agreement, agreements
from nova_bench.core.visible_text import visible
from nova_bench.pipeline.aggregate import MetricSummary, SampleScore
from nova_bench.render.table import Cell, Column, Row, Table
from nova_bench.report.answers import judged_answers, judges_of, said_yes
from nova_bench.report.extremes import MOST_CHARACTERS
from nova_bench.report.naming import interval_fields, interval_note
from nova_bench.report.uncounted import prompt_label

SHOWN = 40
"""Questions in the table; the file has all."""
FILE = "disagreements.csv"
_ALL = "all questions"
_HEADER = ("judge_a", "judge_b", "prompt", "sample_index", "number", "category", "question")


@dataclass(frozen=True)
class _Compared:
    """What two judges answered to one question about one image."""

    unit: Unit
    first: Mapping[str, Any]
    second: Mapping[str, Any]

    @property
    def category(self) -> str:
        """For example ``attribute - color``."""
        return str(self.first.get("category", ""))

    @property
    def group(self) -> str:
        """The category before its first hyphen."""
        return self.category.split("-")[0].strip()

    @property
    def equal(self) -> bool:
        """Whether both count as yes, or neither does."""
        return said_yes(self.first) == said_yes(self.second)


def disagreement_tables(summaries: Sequence[MetricSummary], statistics: StatisticsSpec) -> list[Table]:
    """For each pair of judges its agreement, and the questions on which it differs most; none for a single judge."""
    tables = []
    for place, (first, second) in enumerate(combinations(judges_of(summaries).items(), 2)):
        suffix = f"-{place + 1}" if place else ""
        compared = list(_compared(first[1].samples, second[1].samples))
        if compared:
            lacking = sum(map(len, _answered(first[1].samples).values())) - len(compared)
            tables.append(_agreement_table(first[0], second[0], compared, lacking, statistics, suffix))
            tables += _differences_table(first[0], second[0], compared, suffix)
    return tables


def disagreements_csv(summaries: Sequence[MetricSummary]) -> str:
    """Every question that two judges answer differently, image by image; empty if there is none."""
    rows = [
        (
            *(first, second, one.unit.prompt, one.unit.sample_index),
            *(one.first["number"], one.category, one.first["question"]),
            *(one.first["answer"], one.first.get("p"), one.second["answer"], one.second.get("p")),
        )
        for (first, of_first), (second, of_second) in combinations(judges_of(summaries).items(), 2)
        for one in _compared(of_first.samples, of_second.samples)
        if not one.equal
    ]
    if not rows:
        return ""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerows([(*_HEADER, "answer_a", "p_a", "answer_b", "p_b"), *rows])
    return visible(stream.getvalue())


def _answered(scores: Sequence[SampleScore]) -> dict[str, list[Mapping[str, Any]]]:
    return {score.unit.digest: judged_answers(score) for score in scores}


def _compared(first: Sequence[SampleScore], second: Sequence[SampleScore]) -> Iterator[_Compared]:
    """The questions that both judges answered."""
    others = _answered(second)
    for score in first:
        answers, found = judged_answers(score), others.get(score.unit.digest, [])
        if len(answers) == len(found):
            yield from (_Compared(score.unit, a, b) for a, b in zip(answers, found, strict=True))


def _agreement_table(
    first: str, second: str, compared: Sequence[_Compared], lacking: int, statistics: StatisticsSpec, suffix: str
) -> Table:
    found = _by_kind(compared, statistics)
    columns = (
        Column("kind", "Questions", "label"),
        Column("share", "Agreement", unit="%", scale=100.0, digits=1),
        Column("kappa", "Cohen's kappa", digits=2),
        Column("first", f"Yes: {first}", unit="%", scale=100.0, digits=1),
        Column("second", f"Yes: {second}", unit="%", scale=100.0, digits=1),
        Column("answers", "Answers", "label"),
    )
    rows = [
        Row(
            {
                "kind": Cell(name),
                "share": Cell(one.share, **interval_fields(one.interval, one.method, one.prompts)),
                "kappa": _kappa_cell(one),
                "first": Cell(one.first_yes),
                "second": Cell(one.second_yes),
                "answers": Cell(f"{one.answers:,}"),
            },
            group,
        )
        for (group, name), one in found.items()
    ]
    made = [(name, one.method, one.prompts) for (_, name), one in found.items()]
    left_out = f" {lacking:,} answers of {first} have none of {second} beside them." if lacking else ""
    return Table(
        id=f"disagreement{suffix}",
        title=f"Judges {first} and {second}",
        columns=columns,
        rows=tuple(rows),
        caption=(
            "How often two judges agree on whether the answer about an image is yes, before any answer is zeroed. "
            f"Kappa is 0 for judges who agree by chance only, 1 for judges who always agree.{left_out}"
        ),
        notes=(
            interval_note(statistics, made),
            "Kappa's intervals: expanded percentiles of a bootstrap of prompts, from 8 prompts on.",
        ),
    )


def _by_kind(compared: Sequence[_Compared], statistics: StatisticsSpec) -> dict[tuple[str | None, str], Agreement]:
    """Agreement over all questions, then by group and by category: (heading, name)."""
    import numpy as np

    kinds: list[tuple[str | None, str]] = [(None, _ALL)]
    for group in sorted({one.group for one in compared}):
        categories = sorted({one.category for one in compared if one.group == group})
        kinds += [(group, group), *((group, category) for category in categories if category != group)]
    place = {name: index for index, (_, name) in enumerate(kinds)}
    prompts = {prompt: row for row, prompt in enumerate(dict.fromkeys(one.unit.prompt_id for one in compared))}
    answers, first, second, both = np.zeros((4, len(prompts), len(kinds)))
    for one in compared:
        row, columns = prompts[one.unit.prompt_id], [place[name] for name in {_ALL, one.group, one.category}]
        answers[row, columns] += 1
        first[row, columns] += said_yes(one.first)
        second[row, columns] += said_yes(one.second)
        both[row, columns] += one.equal
    return dict(zip(kinds, agreements(answers, first, second, both, statistics), strict=True))


def _kappa_cell(one: Agreement) -> Cell:
    if one.kappa is None:
        return Cell(note="not defined: both judges always give the same answer")
    missing = "" if one.kappa_interval else f"{one.prompts} prompts"
    return Cell(one.kappa, ci=one.kappa_interval, ci_prompts=one.prompts, ci_missing=missing)


def _differences_table(first: str, second: str, compared: Sequence[_Compared], suffix: str) -> list[Table]:
    """The questions with the most differing images; none if the judges always agree."""
    asked: dict[tuple[str, int], list[_Compared]] = defaultdict(list)
    for one in compared:
        asked[one.unit.prompt_id, int(one.first["number"])].append(one)
    differing = [same for same in asked.values() if not all(one.equal for one in same)]
    differing.sort(key=lambda same: -sum(not one.equal for one in same))
    if not differing:
        return []
    titles = {
        "prompt": "Prompt",
        "question": "Question",
        "category": "Category",
        "images": "Images",
        "first": first,
        "second": second,
    }
    rows = [
        Row(
            {
                "prompt": Cell(prompt_label(same[0].unit)),
                "question": Cell(_cut(str(same[0].first["question"]))),
                "category": Cell(same[0].category),
                "images": Cell(f"{sum(not one.equal for one in same)} of {len(same)}"),
                "first": Cell(_told([one.first for one in same if not one.equal])),
                "second": Cell(_told([one.second for one in same if not one.equal])),
            }
        )
        for same in differing[:SHOWN]
    ]
    more = len(differing) - SHOWN
    return [
        Table(
            id=f"differing-questions{suffix}",
            title=f"Where {first} and {second} differ",
            columns=tuple(Column(key, title, "label") for key, title in titles.items()),
            rows=tuple(rows),
            caption="Questions with the most images about which the judges' answers differ, and these answers.",
            notes=(f"and {more:,} more: see {FILE}",) if more > 0 else (),
        )
    ]


def _told(answers: Sequence[Mapping[str, Any]]) -> str:
    """``no (p 0.31), 2``: different answers once each."""
    texts = [
        str(answer["answer"]) + (f" (p {answer['p']:.2f})" if answer.get("p") is not None else "") for answer in answers
    ]
    return ", ".join(dict.fromkeys(map(_cut, texts)))


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"
