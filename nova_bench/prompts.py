"""The prompts of a suite: written into it, or read from a file."""

from __future__ import annotations

from collections.abc import Iterable

from nova_bench.errors import UserError
from nova_bench.expectation import shorten
from nova_bench.paths import anchor, locate
from nova_bench.records import read_records
from nova_bench.spec import PromptEntry, Suite


def suite_prompts(suite: Suite) -> list[PromptEntry]:
    """All prompts in order, each once and with its number of samples.

    UserError where there are none, two sources of them, or one prompt with two different references.
    """
    spec = suite.prompts
    if spec is None or bool(spec.entries) == bool(spec.file):
        raise UserError(
            f"suite {suite.name}: the model `{suite.model.adapter}` needs prompts",
            "give exactly one of prompts.entries and prompts.file",
        )
    entries = list(spec.entries) if spec.entries else _read(spec.file)
    return _merged(
        entry if entry.samples else entry.model_copy(update={"samples": spec.samples_per_prompt}) for entry in entries
    )


def _merged(entries: Iterable[PromptEntry]) -> list[PromptEntry]:
    """Prompts that several parts of a benchmark share are generated once: their tags are joined."""
    merged: dict[tuple[str, str, str | None], PromptEntry] = {}
    for entry in entries:
        key = (entry.text, entry.model_text or entry.text, entry.image)
        merged[key] = _joined(merged[key], entry) if key in merged else entry
    return list(merged.values())


def _joined(first: PromptEntry, second: PromptEntry) -> PromptEntry:
    if first.reference and second.reference and first.reference != second.reference:
        raise UserError(
            f"prompt {shorten(first.text)} has two references: {first.reference}, {second.reference}",
            "keep one of them",
        )
    return first.model_copy(
        update={
            "tags": tuple(dict.fromkeys((*first.tags, *second.tags))),
            "samples": max(first.samples, second.samples),
            "reference": first.reference or second.reference,
        }
    )


def _read(file: str) -> list[PromptEntry]:
    path = locate(file)
    if path.suffix.lower() == ".txt":
        try:
            # Not splitlines: a prompt may hold U+2028 and other characters that Python takes for line ends.
            lines = path.read_text(encoding="utf-8-sig").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: can't be read: {error}", "a UTF-8 text file, one prompt a line") from error
        entries = [PromptEntry(text=line.strip()) for line in lines if line.strip()]
    else:
        entries = [
            entry.model_copy(
                update={
                    name: anchor(value, path.parent)
                    for name in ("image", "reference")
                    if (value := getattr(entry, name)) is not None
                }
            )
            for entry in read_records(path, PromptEntry)
        ]
    if not entries:
        raise UserError(f"{path}: no prompts", "one prompt a line")
    return entries
