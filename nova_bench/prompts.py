"""The prompts of a suite: written into it, or read from a file."""

from __future__ import annotations

from nova_bench.errors import UserError
from nova_bench.paths import anchor, locate
from nova_bench.records import read_records
from nova_bench.spec import PromptEntry, Suite


def suite_prompts(suite: Suite) -> list[PromptEntry]:
    """All prompts in order, each with its number of samples. UserError where there are none, or two sources."""
    spec = suite.prompts
    if spec is None or bool(spec.entries) == bool(spec.file):
        raise UserError(
            f"suite {suite.name}: the model `{suite.model.adapter}` needs prompts",
            "give exactly one of prompts.entries and prompts.file",
        )
    entries = list(spec.entries) if spec.entries else _read(spec.file)
    return [
        entry if entry.samples else entry.model_copy(update={"samples": spec.samples_per_prompt}) for entry in entries
    ]


def _read(file: str) -> list[PromptEntry]:
    path = locate(file)
    if path.suffix.lower() == ".txt":
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
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
