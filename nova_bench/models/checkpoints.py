"""Where a NOVA checkpoint is: a folder, or the hub's cache on this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nova_bench.config.paths import locate
from nova_bench.core.errors import MissingAsset, UserError
from nova_bench.core.json_text import parse_json
from nova_bench.core.regular_files import read_text
from nova_bench.models.completeness import checkpoint_files, refuse_incomplete
from nova_bench.models.published import checkpoint_path, fetch_command, missing_text

if TYPE_CHECKING:
    from nova_bench.models.nova import CheckpointSpec


def locate_checkpoint(options: CheckpointSpec) -> Path:
    """The folder of a checkpoint on this machine; never touches the network.

    MissingAsset, with the command that fetches it, if the checkpoint or the folder isn't there; UserError if the folder
    holds something else or lacks a part of the checkpoint.
    """
    if options.folder is None:
        assert options.checkpoint is not None, "CheckpointSpec requires one of the two"
        folder = checkpoint_path(options.checkpoint, options.revision)
        refuse_incomplete(folder, fetch_command(options.checkpoint))
        return folder
    folder = locate(options.folder)
    if not folder.is_dir():
        raise MissingAsset(
            f"needs the checkpoint {folder}: no such folder",
            options.made_by or "train or copy it, or correct model.folder",
        )
    if not is_checkpoint(folder):
        raise UserError(f"{folder}: holds no NOVA checkpoint", "a folder with model_index.json is expected")
    refuse_incomplete(folder)
    return folder


def files_digest(folder: Path, file_digest: Callable[[Path], str]) -> dict[str, str]:
    """Path inside ``folder`` -> digest of each file that may change the output. UserError if one can't be read."""
    try:
        return {str(path.relative_to(folder)): file_digest(path) for path in checkpoint_files(folder)}
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
    if options.random_weights:
        return []
    try:
        locate_checkpoint(options)
    except MissingAsset as missing:
        if options.checkpoint is None:
            return [str(missing).removeprefix("needs ")]
        return [f"{missing_text(options.checkpoint)}: {fetch_command(options.checkpoint)}"]
    return []
