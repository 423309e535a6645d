"""Where a NOVA checkpoint lies: a folder, or the hub's cache on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from nova_bench.errors import MissingAsset, UserError
from nova_bench.paths import locate

if TYPE_CHECKING:
    from nova_bench.models.nova import NovaSpec

CHECKPOINT_FILES = ("*.json", "*.safetensors", "*.txt")
"""What a checkpoint consists of: configurations, weights, tokenizer. Never Python files: nothing remote is executed."""


def locate_checkpoint(options: NovaSpec) -> Path:
    """The folder of a checkpoint on this machine; never touches the network.

    MissingAsset with the command that fetches it; UserError where a folder holds no checkpoint.
    """
    if options.folder is None:
        return cached_checkpoint(options.checkpoint, options.revision)
    folder = locate(options.folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder", "correct model.folder")
    if not is_checkpoint(folder):
        raise UserError(f"{folder}: holds no NOVA checkpoint", "a folder with model_index.json is expected")
    return folder


def is_checkpoint(folder: Path) -> bool:
    """Whether a folder holds a pipeline in the published layout."""
    try:
        index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(index, dict)


def cached_checkpoint(name: str, revision: str | None) -> Path:
    """The snapshot of a hub repository in the hub's cache (HF_HOME). MissingAsset where it isn't there."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = snapshot_download(
            name, revision=revision, local_files_only=True, allow_patterns=list(CHECKPOINT_FILES)
        )
    except LocalEntryNotFoundError as error:
        raise MissingAsset(
            f"the checkpoint {name} isn't on this machine", f"python -m nova_bench assets fetch {name}"
        ) from error
    except HFValidationError as error:
        raise UserError(f"{name!r} is no hub id", "owner/name, or model.folder for a folder") from error
    return Path(folder)
