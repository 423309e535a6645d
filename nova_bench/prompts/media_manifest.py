"""Lists of videos or images that exist already: CSV or JSONL, one file per line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from pydantic import Field

from nova_bench.config.fields import SpecModel
from nova_bench.config.metadata import Metadata
from nova_bench.config.paths import SuitePath, anchor, locate
from nova_bench.config.units import ExistingSample
from nova_bench.core.notices import listed
from nova_bench.core.tabular import read_records
from nova_bench.prompts.file_names import usual_naming


class ManifestRow(SpecModel):
    """One line of a manifest."""

    path: SuitePath = Field(min_length=1)
    """The video or image."""
    prompt: str = ""
    """The prompt it was made from; the file's stem if empty."""
    sample_index: int = Field(default=0, ge=0)
    """Index among the samples of that prompt."""
    reference: SuitePath | None = None
    """Ground-truth clip."""
    tags: tuple[str, ...] = ()
    """Tags that scorers can select by."""
    metadata: Metadata = Field(default_factory=Metadata)
    """What scorers read about the prompt besides its text."""


def read_manifest(path: Path, warn: Callable[..., None]) -> list[ExistingSample]:
    """Read a CSV or JSONL manifest. UserError names file, line and the nearest valid column."""
    records = read_records(path, ManifestRow)
    samples = [
        ExistingSample(
            _location(row.path, path.parent),
            row.prompt or Path(row.path).stem,
            row.sample_index,
            _location(row.reference, path.parent) if row.reference else None,
            row.tags,
            row.metadata.placed(place),
        )
        for place, row in records
    ]
    counts = Counter(sample.path for sample in samples if sample.path)
    if again := [name for name, count in counts.items() if count > 1]:
        warn(f"{path}: {len(again)} files have several rows and count once for each ({listed(again)})", again)
    if not any(row.prompt for _, row in records):
        _, remark = usual_naming([Path(row.path) for _, row in records])
        if remark:
            warn(f"{path}: no prompts, so names are prompts; if they are PROMPT-INDEX, state prompt and sample_index")
    return samples


def _location(text: str, base: Path) -> str:
    return str(locate(anchor(text, base)))
