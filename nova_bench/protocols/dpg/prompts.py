"""DPG-Bench's prompts: four images each, with the questions that are asked about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from nova_bench.config.metadata import ITEM, Metadata
from nova_bench.config.suite import PromptEntry
from nova_bench.protocols.base import PromptSource
from nova_bench.protocols.dpg.question_file import Fault, FileRow, read_questions

_ASSET = "dpg-questions"
_SAMPLES = 4


def read(asset: Callable[[str], Path], notice: Callable[..., None]) -> list[PromptEntry]:
    """The 1,065 prompts of dpg_bench.csv in its order."""
    return read_entries(asset(_ASSET), notice)


def read_entries(path: Path, notice: Callable[..., None]) -> list[PromptEntry]:
    """The prompts of a file with DPG-Bench's columns; ``notice(text, names)`` reports all of its faults.

    Raises UserError if it can't be read.
    """
    file = read_questions(path)
    faults: dict[str, list[Fault]] = {}
    for fault in file.faults:
        faults.setdefault(fault.item, []).append(fault)
    if faults:
        notice(
            f"{path}: {len(faults)} of {len(file.items())} items have faulty questions: dpg_bench_corrected fails "
            f"them, dpg_bench counts them as the official script does; the first: {file.faults[0]}",
            list(map(str, file.faults)),
        )
    official = file.official_lines()
    return [
        _entry(path, item, rows, official.get(item, ()), faults.get(item, ())) for item, rows in file.items().items()
    ]


def _entry(
    path: Path, item: str, rows: Sequence[FileRow], official: Sequence[int], faults: Sequence[Fault]
) -> PromptEntry:
    """``official``: the lines that the official script reads."""
    index = {row.question.line: index for index, row in enumerate(rows)}
    values = {
        ITEM: item,
        "dpg_questions": [row.question.model_dump(mode="json") for row in rows],
        "dpg_official": [index[line] for line in official],
        "dpg_faults": [f"line {fault.line}: {fault.what}" for fault in faults],
    }
    entry = PromptEntry(text=rows[0].prompt or item, samples=_SAMPLES, metadata=Metadata.of(values))
    return entry.placed(f"{path}:{rows[0].question.line}")


SOURCE = PromptSource(
    name="dpg",
    summary="DPG-Bench's 1,065 dense prompts with their questions: 4 images each",
    factory=f"{__name__}:read",
    assets=(_ASSET,),
)
