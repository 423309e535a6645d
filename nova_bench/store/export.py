"""Exports a run's videos to a folder in the layout that another tool reads."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from nova_bench.core.atomic_files import write_atomic, write_with
from nova_bench.core.errors import UserError
from nova_bench.core.identity import file_digest
from nova_bench.store.records import Artifact, FailedUnit

TILES = 4
"""Images of a grid: top left, top right, bottom left, bottom right."""
FileName = Callable[[str, int, str], str]
"""(prompt, sample index, suffix) -> file name; raises ValueError with the reason if there can't be one."""


class Export(NamedTuple):
    """A sample to export: its unit's digest, and the prompt (or its id, ``item``) and the index that name its file."""

    digest: str
    prompt: str
    sample_index: int
    item: str = ""


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
    _made(folder)
    given: set[Path] = set()
    for digest, prompt, index, _ in samples:
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


def export_grids(
    samples: Sequence[Export], artifacts: dict[str, Artifact | FailedUnit], folder: Path, file_name: FileName
) -> list[Exported]:
    """Place each four images of a prompt in one PNG of 2x2 tiles, named ``file_name(item, its number, ".png")``.

    A grid is made only of four images of one size. An existing file with the same content stays, and nothing is ever
    overwritten. The results are in the order of ``samples``. Raises UserError if ``folder`` can't be written.
    """
    _made(folder)
    grids: dict[tuple[str, int], list[int]] = {}
    for place, sample in enumerate(samples):
        grids.setdefault((sample.item or sample.prompt, sample.sample_index // TILES), []).append(place)
    results: dict[int, Exported] = {}
    for (item, number), places in grids.items():
        path, problem = None, ""
        try:
            path = folder / file_name(item, number, ".png")
            tiles = sorted((samples[place] for place in places), key=lambda sample: sample.sample_index)
            _write_grid(path, [_intact(artifacts.get(sample.digest)) for sample in tiles])
        except ValueError as error:
            path, problem = None, str(error)
        for place in places:
            results[place] = Exported(samples[place].prompt, samples[place].sample_index, path, problem)
    return [results[place] for place in range(len(samples))]


def _write_grid(path: Path, tiles: Sequence[Path]) -> None:
    from PIL import Image

    if len(tiles) != TILES:
        raise ValueError(f"a grid takes {TILES} images, the prompt has {len(tiles)}")
    images = []
    for tile in tiles:
        with Image.open(tile) as opened:
            images.append(opened.convert("RGB"))
    width, height = images[0].size
    if any(image.size != (width, height) for image in images):
        raise ValueError("the images differ in size")
    grid = Image.new("RGB", (2 * width, 2 * height))
    for place, image in enumerate(images):
        grid.paste(image, (place % 2 * width, place // 2 * height))
    content = io.BytesIO()
    grid.save(content, "PNG")
    if not os.path.lexists(path):
        write_atomic(path, content.getvalue())
    elif not path.is_file() or path.read_bytes() != content.getvalue():
        raise ValueError(f"{path} already exists with different content")


def _intact(artifact: Artifact | FailedUnit | None) -> Path:
    """An artifact's file. Raises ValueError if there is none, or if it is gone or changed."""
    if not isinstance(artifact, Artifact):
        raise ValueError(artifact.error if artifact else "not generated yet")
    try:
        if file_digest(artifact.path) != artifact.sha256:
            raise ValueError(f"{artifact.path} changed since it was recorded")
    except OSError as error:
        raise ValueError(f"{artifact.path}: {error.strerror or error}") from error
    return artifact.path


def _made(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: {error.strerror or error}", "choose a folder that can be written") from error


def _place(artifact: Artifact, path: Path, copy: bool) -> None:
    """Place the artifact's content at ``path``. Raises ValueError if another file is there or the artifact is gone."""
    _intact(artifact)
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
