"""Where a checkpoint is: a folder, or the hub's cache on this machine. NOVA's, and what others share with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import model_validator

from nova_bench.config.paths import SuitePath, locate
from nova_bench.config.suite import ModelSpec
from nova_bench.core.errors import MissingAsset, UserError
from nova_bench.core.json_text import parse_json
from nova_bench.core.regular_files import read_text
from nova_bench.models.completeness import Incomplete, checkpoint_files, refuse_incomplete
from nova_bench.models.published import checkpoint_path, fetch_command, missing_text

if TYPE_CHECKING:
    from nova_bench.models.nova import CheckpointSpec


class SourceSpec(ModelSpec):
    """A model in files. Give either `checkpoint` or `folder`."""

    checkpoint: str | None = None
    """A hub id (`owner/name`)."""
    folder: SuitePath | None = None
    """The checkpoint's folder."""
    revision: str | None = None
    """Branch, tag or commit of a hub id; if absent, `main`."""

    @model_validator(mode="after")
    def _one_source(self) -> SourceSpec:
        if (self.checkpoint is None) == (self.folder is None):
            raise ValueError("give exactly one of `checkpoint` and `folder`")
        return self


Source = TypeVar("Source", bound=SourceSpec)


def locate_source(options: SourceSpec, remedy: str = "copy it, or correct model.folder") -> Path:
    """The folder that ``options`` name, on this machine; never touches the network.

    MissingAsset, with the command that fetches it or the ``remedy``, if it isn't there.
    """
    if options.folder is None:
        assert options.checkpoint is not None, "SourceSpec requires one of the two"
        return checkpoint_path(options.checkpoint, options.revision)
    folder = locate(options.folder)
    if not folder.is_dir():
        raise MissingAsset(f"needs the checkpoint {folder}: no such folder", remedy)
    return folder


@contextmanager
def completed_by_fetching(options: SourceSpec) -> Iterator[None]:
    """The remedy for a checkpoint of the hub that is Incomplete is the command that fetches it."""
    try:
        yield
    except Incomplete as error:
        if options.checkpoint is None:
            raise
        raise Incomplete(error.message, fetch_command(options.checkpoint)) from error


def missing_source(
    options: Source,
    find: Callable[[Source], Path],
    text: Callable[[str], str] = lambda name: f"the checkpoint {name} (download size unknown)",
) -> list[str]:
    """What must be fetched before ``find`` finds a model, with the command; empty if it is here."""
    try:
        find(options)
    except MissingAsset as missing:
        if options.checkpoint is None:
            return [str(missing).removeprefix("needs ")]
        return [f"{text(options.checkpoint)}: {fetch_command(options.checkpoint)}"]
    return []


def locate_checkpoint(options: CheckpointSpec) -> Path:
    """The folder of a checkpoint on this machine; never touches the network.

    MissingAsset, with the command that fetches it, if the checkpoint or the folder isn't there; UserError if the folder
    holds something else or lacks a part of the checkpoint.
    """
    folder = locate_source(options, options.made_by or "train or copy it, or correct model.folder")
    if options.checkpoint is not None:
        refuse_incomplete(folder, fetch_command(options.checkpoint))
        return folder
    if not is_checkpoint(folder):
        raise UserError(f"{folder}: holds no NOVA checkpoint", "a folder with model_index.json is expected")
    refuse_incomplete(folder)
    return folder


def files_digest(folder: Path, file_digest: Callable[[Path], str]) -> dict[str, str]:
    """Path inside ``folder`` -> digest of each file that may change the output. UserError if one can't be read."""
    return digests_of(folder, checkpoint_files, file_digest)


def digests_of(
    folder: Path, files: Callable[[Path], Sequence[Path]], file_digest: Callable[[Path], str]
) -> dict[str, str]:
    """Path inside ``folder`` -> digest of each of its ``files(folder)``. UserError if one can't be read."""
    try:
        return {str(path.relative_to(folder)): file_digest(path) for path in files(folder)}
    except OSError as error:
        raise UserError(
            f"{error.filename or folder}: can't be read: {error.strerror or error}", "correct it, or remove it"
        ) from error


def is_checkpoint(folder: Path) -> bool:
    """Whether a folder holds a pipeline in the published layout. UserError if its index can't be read."""
    path = folder / "model_index.json"
    if not path.exists():
        return False
    try:
        index = parse_json(read_text(path))
    except OSError as error:
        raise UserError(f"{path}: can't be read: {error.strerror or error}", "correct its permissions") from error
    except ValueError as error:
        raise UserError(f"{path}: not JSON: {error}", "get the checkpoint again") from error
    return isinstance(index, dict)


def missing_checkpoint(options: CheckpointSpec) -> list[str]:
    """What must be fetched before a checkpoint can be used, with the command; empty if it is here."""
    return [] if options.random_weights else missing_source(options, locate_checkpoint, missing_text)
