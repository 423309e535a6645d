"""Whether the prompts of a plan have the metadata that its scorers read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pydantic import ValidationError

from nova_bench.config.loading import SHOWN_ERRORS
from nova_bench.config.metadata import MetadataSchema
from nova_bench.config.units import Unit
from nova_bench.core.errors import SuiteError
from nova_bench.core.messages import expectation, shorten

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from nova_bench.pipeline.plan import PlannedScorer


def check_metadata(units: Sequence[Unit], scorers: Sequence[PlannedScorer], suite: str) -> None:
    """SuiteError, with each prompt's place, if a scorer's prompts lack what it reads or have it in another type."""
    problems = {message: remedy for scorer in scorers for message, remedy in _problems(units, scorer, suite)}
    if problems:
        lines = list(problems)[:SHOWN_ERRORS]
        if len(problems) > SHOWN_ERRORS:
            lines.append(f"... and {len(problems) - SHOWN_ERRORS} more")
        raise SuiteError(lines[0], next(iter(problems.values())), *lines[1:])


def _problems(units: Sequence[Unit], scorer: PlannedScorer, suite: str) -> Iterator[tuple[str, str]]:
    """(message, remedy) for each field of each prompt that doesn't fit what ``scorer`` reads."""
    if not scorer.info.reads.model_fields:
        return
    prompts = {(unit.prompt, unit.metadata): unit.metadata for unit in units if scorer.applies_to(unit)}
    for (prompt, _), metadata in prompts.items():
        try:
            metadata.read(scorer.info.reads)
        except ValidationError as error:
            for problem in error.errors(include_url=False):
                name = str(problem["loc"][0]) if problem["loc"] else ""
                place = metadata.place(name) or f"suite {suite}"
                yield f"{place}: {_message(prompt, problem, scorer.info.name)}", _remedy(scorer.info.reads, name)


def _message(prompt: str, problem: ErrorDetails, scorer: str) -> str:
    name = ".".join(map(str, problem["loc"]))
    if problem["type"] == "missing":
        return f"prompt {shorten(prompt)} lacks metadata {name!r}, which scorer {scorer} reads"
    words = "unknown key" if problem["type"] == "extra_forbidden" else expectation(problem)
    return f"prompt {shorten(prompt)}: metadata{f' {name!r}' if name else ''}, which scorer {scorer} reads: {words}"


def _remedy(schema: type[MetadataSchema], name: str) -> str:
    """What the field is and how it is written; the list of fields if they don't fit each other."""
    if name not in schema.model_fields:
        return f"it reads {', '.join(schema.model_fields)}"
    about = " ".join((schema.model_fields[name].description or "").split())
    how = f"YAML and JSONL: metadata: {{{name}: ...}}; CSV: a column metadata.{name}, text or JSON"
    return f"{name}: {about} {how}" if about else how
