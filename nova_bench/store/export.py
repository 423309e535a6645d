"""Exports a run's videos to a folder in the layout that another tool reads."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from nova_bench.core.atomic_files import write_with
from nova_bench.core.errors import UserError
from nova_bench.core.identity import file_digest
from nova_bench.store.records import Artifact, FailedUnit

FileName = Callable[[str, int, str], str]
"""(prompt, sample index, suffix) -> file name; raises ValueError with the reason if there can't be one."""


class Export(NamedTuple):
    """A sample to export: its unit's digest, and the prompt and the index that name its file."""

    digest: str
    prompt: str
    sample_index: int


@dataclass(frozen=True)
class Exported:
    """The result for one sample: its file, or why there is none."""

    prompt: str
    sample_index: int
    path: Path | None
    problem: str = ""


def export_units(
    samples: Sequence[Export],
    artifacts: dict[str, Artifact | FailedUnit],
    folder: Path,
    file_name: FileName,
    copy: bool,
) -> Iterator[Exported]:
    """Place each sample's file in ``folder`` under its name: as a hard link if the file system allows it, else as a
    copy.

    An existing file with the same content stays, and nothing is ever overwritten. Raises UserError if ``folder`` can't
    be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: {error.strerror or error}", "choose a folder that can be written") from error
    given: set[Path] = set()
    for digest, prompt, index in samples:
        artifact = artifacts.get(digest)
        if not isinstance(artifact, Artifact):
            yield Exported(prompt, index, None, artifact.error if artifact else "not generated yet")
            continue
        try:
            path = folder / file_name(prompt, index, artifact.path.suffix)
            if path in given:
                raise ValueError(f"another sample of the run is also called {path.name!r}")
            given.add(path)
            _place(artifact, path, copy)
        except ValueError as error:
            yield Exported(prompt, index, None, str(error))
        else:
            yield Exported(prompt, index, path)


def _place(artifact: Artifact, path: Path, copy: bool) -> None:
    """Place the artifact's content at ``path``. Raises ValueError if another file is there or the artifact is gone."""
    try:
        if file_digest(artifact.path) != artifact.sha256:
            raise ValueError(f"{artifact.path} changed since it was recorded")
    except OSError as error:
        raise ValueError(f"{artifact.path}: {error.strerror or error}") from error
    if os.path.lexists(path):
        if not path.is_file() or file_digest(path) != artifact.sha256:
            raise ValueError(f"{path} already exists with different content")
        return
    if not copy:
        try:
            os.link(artifact.path, path)
        except OSError:  # another file system, or one without links
            copy = True
    if copy:
        write_with(path, lambda temporary: shutil.copyfile(artifact.path, temporary))
