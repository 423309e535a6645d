"""The samples at both ends of each metric, and their scores over time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nova_bench.pipeline.aggregate import MetricSummary, SampleScore
from nova_bench.render.table import Cell, Column, Row, Table
from nova_bench.report.answers import answers_of, said_yes
from nova_bench.report.naming import sample_name
from nova_bench.store import Status

AT_EACH_END = 3
MOST_CHARACTERS = 160
"""Longer names of samples are cut in the table."""
REFUSED = 3
"""Questions answered no that a line of details names."""
WORST = 24
"""Samples that the gallery shows as a metric's worst."""


def extremes_table(summaries: Sequence[MetricSummary]) -> Table:
    """The lowest and the highest samples of each metric; none for a metric whose samples all have the same score.

    Of metrics that are made of the same rows, such as a benchmark's categories, only the first is listed.
    """
    rows = []
    listed: set[str] = set()
    for summary in summaries:
        info = summary.scorer.info
        if summary.scorer.identity in listed:
            continue
        listed.add(summary.scorer.identity)
        low, high = ends(summary)
        for end, scores in (("lowest", low), ("highest", high)):
            for score in scores:
                cells = {
                    "sample": Cell(_cut(sample_name(score.unit))),
                    "end": Cell(end),
                    "value": Cell(score.value, unit=info.unit, digits=info.digits),
                    "why": Cell(why(score.scored.details)),
                }
                rows.append(Row(cells, info.name))
    columns = (
        Column("sample", "Sample", "label"),
        Column("end", "End", "label"),
        Column("value", "Value"),
        Column("why", "Along time", "label"),
    )
    return Table(id="extremes", title="Lowest and highest samples", columns=columns, rows=tuple(rows))


def _cut(name: str) -> str:
    """A sample's name with the middle of a long prompt left out, so that its index stays."""
    return name if len(name) <= MOST_CHARACTERS else f"{name[: MOST_CHARACTERS - 12]} … {name[-9:]}"


def ends(summary: MetricSummary) -> tuple[list[SampleScore], list[SampleScore]]:
    """(lowest, highest) samples, the most extreme first; no sample is in both, and none where all are equal."""
    scored = [score for score in summary.samples if score.status == Status.OK]
    if len({score.value for score in scored}) < 2:
        return [], []
    ordered = sorted(scored, key=lambda score: score.value)
    count = min(AT_EACH_END, len(ordered) // 2)
    return ordered[:count], ordered[::-1][:count]


def worst(summaries: Iterable[MetricSummary]) -> list[SampleScore]:
    """The worst of all samples of one metric's summaries, the worst first; the lowest if no direction is better.

    Equal ones stay in plan order.
    """
    scored = []
    for summary in summaries:
        sign = -1 if summary.scorer.info.higher_is_better is False else 1
        scored += [(sign * score.value, score) for score in summary.samples if score.status == Status.OK]
    return [score for _, score in sorted(scored, key=lambda entry: entry[0])[:WORST]]


def why(details: Mapping[str, Any]) -> str:
    """A row's details in one line: each series with its range and where its extremes are, each number with its name."""
    parts = []
    for name, value in details.items():
        if answers := answers_of(name, value):
            parts.append(_refused(answers))
        elif isinstance(value, list) and value and all(_is_number(item) for item in value):
            peak, dip = value.index(max(value)) + 1, value.index(min(value)) + 1
            parts.append(
                f"{name}: {min(value):.4g} (at {dip} of {len(value)}) to {max(value):.4g} (at {peak})"
                if len(value) > 1
                else f"{name}: {value[0]:.4g}"
            )
        elif _is_number(value):
            parts.append(f"{name}: {value:.4g}")
        elif isinstance(value, str) and value:
            parts.append(f"{name}: {value}")
    return "; ".join(filter(None, parts))


def _refused(answers: Sequence[Mapping[str, Any]]) -> str:
    """``not yes: Is the cat red?``; empty if all are answered yes."""
    no = [str(part["question"]) for part in answers if not said_yes(part)]
    more = f" and {len(no) - REFUSED} more" if len(no) > REFUSED else ""
    return f"not yes: {' '.join(no[:REFUSED])}{more}" if no else ""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
