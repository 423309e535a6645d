"""A comparison as GitHub-flavoured Markdown: a pull request's comment, or the step summary."""

from __future__ import annotations

from collections.abc import Iterator

from nova_bench.gate.outputs.losses import Loss, all_losses
from nova_bench.gate.outputs.table import card_table, drift_table, looks_table, verdict_table
from nova_bench.gate.outputs.words import SIGNS, shortened, tally
from nova_bench.gate.verdict_file import VerdictFile
from nova_bench.render.grid import clean_text
from nova_bench.render.markdown import escape_markdown, markdown_table
from nova_bench.render.table import Cell, Column, Row, Table

LOSSES = 20
"""Rows of the table of prompts that lost most."""


def verdict_markdown(file: VerdictFile) -> str:
    """The verdict, the table of metrics, what differs, the prompts that lost most, then how it was found."""
    return "\n".join(f"{part.rstrip()}\n" for part in _parts(file))


def _parts(file: VerdictFile) -> Iterator[str]:
    yield f"## {SIGNS[file.verdict]} {escape_markdown(clean_text(file.title))}: {file.verdict}"
    yield f"**{_line(file.summary)}**"
    yield f"Exit code {file.exit_code}; {tally(file)}."
    if file.reasons:
        yield "\n".join(f"- {_line(reason)}" for reason in file.reasons)
    yield markdown_table(verdict_table(file))
    if file.card:
        yield markdown_table(card_table(file))
    if table := _losses(file):
        yield markdown_table(table)
    if len(file.looks) > 1:
        yield markdown_table(looks_table(file))
    if file.drift:
        yield markdown_table(drift_table(file.drift, file.rule))
    yield f"nova_bench {_line(file.nova_bench)}, {_line(file.created)}"


def _losses(file: VerdictFile) -> Table | None:
    """The largest losses, in units of the margins."""
    found = all_losses(file)
    if not found:
        return None
    columns = (
        Column("prompt", "Prompt", "label"),
        Column("metric", "Metric", "label"),
        Column("a", "A"),
        Column("b", "B"),
        Column("difference", "Difference"),
    )
    more = (f"{len(found) - LOSSES:,} more are in verdict.json.",) if len(found) > LOSSES else ()
    rows = tuple(map(_loss, found[:LOSSES]))
    return Table("losses", "Prompts that lost most", columns, rows, notes=more)


def _loss(item: Loss) -> Row:
    metric, loss = item.metric, item.loss
    numbers = {"a": loss.a, "b": loss.b, "difference": loss.difference}
    cells = {name: Cell(value, digits=metric.digits) for name, value in numbers.items()}
    return Row({"prompt": Cell(shortened(loss.prompt)), "metric": Cell(metric.metric), **cells})


def _line(text: str) -> str:
    return escape_markdown(clean_text(text))
