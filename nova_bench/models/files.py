"""The `files` adapter: videos or images that any model made, from a folder or a manifest."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from nova_bench.errors import UserError
from nova_bench.models.base import AdapterContext, ExistingSample, Output, Unit
from nova_bench.paths import SuitePath, anchor, locate
from nova_bench.records import read_records
from nova_bench.spec import ModelSpec, SpecModel

MEDIA_SUFFIXES = frozenset(
    [".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif", ".png", ".jpg", ".jpeg", ".webp"],
)
_SAMPLE_SUFFIX = re.compile(r"^(?P<prompt>.+)-(?P<index>\d+)$", re.DOTALL)


class FilesSpec(ModelSpec):
    """Videos or images that exist already. Give either `manifest` or `folder`."""

    adapter: Literal["files"] = "files"
    """`files`"""
    manifest: SuitePath | None = None
    """CSV or JSONL with the columns path, prompt, sample_index, reference, tags (`;` between tags); only path is
    required. Paths are relative to the manifest, or `package:NAME/...` for files that an installed package ships."""
    folder: SuitePath | None = None
    """Folder that is searched, sub-folders included, for videos and images."""
    naming: Literal["stem", "prompt-index"] = "stem"
    """What a file name says in a folder: the prompt (`a cat.mp4`), or prompt and sample index (`a cat-3.mp4`)."""
    references: SuitePath | None = None
    """Folder with a reference clip of the same relative path for each file of `folder`."""

    @model_validator(mode="after")
    def _one_source(self) -> FilesSpec:
        if (self.manifest is None) == (self.folder is None):
            raise ValueError("give exactly one of `manifest` and `folder`")
        if self.references is not None and self.folder is None:
            raise ValueError("`references` goes with `folder`; a manifest has a column of that kind")
        return self


class ManifestRow(SpecModel):
    """One line of a manifest."""

    path: str = Field(min_length=1)
    """The video or image."""
    prompt: str = ""
    """The prompt it was made from; the file's stem where empty."""
    sample_index: int = Field(default=0, ge=0)
    """Index among the samples of that prompt."""
    reference: str | None = None
    """Ground-truth clip."""
    tags: tuple[str, ...] = ()
    """Tags that scorers can select by."""


class FilesAdapter:
    """Hands out files as they are; nothing is copied and nothing is loaded before scoring."""

    def __init__(self, options: FilesSpec, context: AdapterContext):
        self._options = options

    def digest(self) -> str:
        """Constant: a file's content is all there is to know, and that enters each unit by itself."""
        return "files"

    def existing(self) -> Sequence[ExistingSample]:
        """The samples, in manifest order or sorted by path. UserError where there are none or two are the same."""
        if self._options.manifest is not None:
            where = locate(self._options.manifest)
            samples = read_manifest(where)
        else:
            where = locate(self._options.folder)
            samples = self._scan(where)
        if not samples:
            raise UserError(f"{where}: no videos or images", f"known types: {' '.join(sorted(MEDIA_SUFFIXES))}")
        (key, count), *_ = Counter((s.prompt, s.sample_index) for s in samples).most_common(1)
        if count > 1:
            raise UserError(
                f"{where}: {count} files claim prompt {key[0]!r}, sample {key[1]}",
                "give each sample of a prompt its own sample_index (a folder: naming: prompt-index)",
            )
        return samples

    def _scan(self, folder: Path) -> list[ExistingSample]:
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder", "correct model.folder")
        references = locate(self._options.references) if self._options.references else None
        if references and not references.is_dir():
            raise UserError(f"{references}: no such folder", "correct model.references")
        samples = []
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() not in MEDIA_SUFFIXES or not path.is_file():
                continue
            if references and path.is_relative_to(references) and references != folder:
                continue
            prompt, index = path.stem, 0
            if self._options.naming == "prompt-index" and (match := _SAMPLE_SUFFIX.match(path.stem)):
                prompt, index = match["prompt"], int(match["index"])
            reference = str(references / path.relative_to(folder)) if references else None
            samples.append(ExistingSample(str(path), prompt, index, reference))
        return samples

    def generate(self, units: Sequence[Unit]) -> Iterator[Output]:
        """Point at each file; a file that isn't there is that unit's error."""
        for unit in units:
            path = Path(unit.source)
            if path.is_file():
                yield Output(unit, path=path)
            else:
                yield Output(unit, error=f"{path}: no such file")


def read_manifest(path: Path) -> list[ExistingSample]:
    """Read a CSV or JSONL manifest. UserError names file, line and the nearest valid column."""
    return [
        ExistingSample(
            _location(row.path, path.parent),
            row.prompt or Path(row.path).stem,
            row.sample_index,
            _location(row.reference, path.parent) if row.reference else None,
            row.tags,
        )
        for row in read_records(path, ManifestRow)
    ]


def _location(text: str, base: Path) -> str:
    return str(locate(anchor(text, base)))
