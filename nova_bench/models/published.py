"""Named NOVA checkpoints, and any hub repository in their layout: fetch, find, verify.

nova-tiny comes with nova_bench. Files of the others stay in the hub's own cache (HF_HOME), which names each by the
digest the hub states for it: SHA-256 for large files, git's blob hash for small ones. The files there can therefore be
verified without a network.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nova_bench.assets.cache import AssetState, megabytes
from nova_bench.assets.hub import bring_snapshot
from nova_bench.core.checkpoint_names import REPOSITORIES, SHIPPED
from nova_bench.core.errors import MissingAsset, UserError
from nova_bench.core.identity import file_digest
from nova_bench.core.messages import shorten
from nova_bench.core.registry import nearest
from nova_bench.core.regular_files import open_regular
from nova_bench.models.completeness import Incomplete, checkpoint_files, refuse_incomplete

FILES = ("*.json", "*.safetensors", "*.txt")
"""What a checkpoint consists of: configurations, weights, tokenizer. Never Python files: nothing remote is executed."""

_HUB_ID = re.compile(r"[A-Za-z0-9_][\w.-]*/[A-Za-z0-9_][\w.-]*", re.ASCII)


@dataclass(frozen=True)
class Checkpoint:
    """A published checkpoint. ``size`` is the approximate size of its files in bytes: parameters times two to four.

    ``folder`` is that of a checkpoint that comes with nova_bench, which has no ``repo_id``.
    """

    name: str
    repo_id: str
    summary: str
    size: float
    revision: str = "main"
    licence: str = "Apache-2.0"
    folder: Path | None = None


def _of_hub(name: str, summary: str, size: float) -> Checkpoint:
    return Checkpoint(name, REPOSITORIES[name], summary, size)


CHECKPOINTS: dict[str, Checkpoint] = {
    checkpoint.name: checkpoint
    for checkpoint in (
        Checkpoint(
            "nova-tiny", "", "small NOVA of the shapes world, video, 17x64x64", 16e6, folder=SHIPPED["nova-tiny"]
        ),
        _of_hub("nova-0.6b-t2v", "NOVA 0.6B, video, 33x480x768", 8e9),
        _of_hub("nova-0.6b-t2i-512", "NOVA 0.6B, images, 512x512", 8e9),
        _of_hub("nova-0.3b-t2i", "NOVA 0.3B, images, 1024x1024", 7e9),
        _of_hub("nova-0.6b-t2i", "NOVA 0.6B, images, 1024x1024", 8e9),
        _of_hub("nova-1.4b-t2i", "NOVA 1.4B, images, 1024x1024", 10e9),
    )
}


def is_hub_id(name: str) -> bool:
    """Whether ``name`` can be a repository of the hub (``owner/name``). A path such as ``./x`` can't."""
    return bool(_HUB_ID.fullmatch(name)) and len(name) <= 96 and not re.search(r"--|\.\.|[.-](/|$)|\.git$", name)


def get_checkpoint(name: str) -> Checkpoint:
    """A published checkpoint by name, or any hub id (``owner/name``). Otherwise UserError with the nearest name."""
    if name in CHECKPOINTS:
        return CHECKPOINTS[name]
    if is_hub_id(name):
        known = next((found for found in CHECKPOINTS.values() if name == found.repo_id), None)
        return known or Checkpoint(name, name, "a checkpoint of the hub", 0.0, licence="see its page")
    remedy = f"owner/name, or one of: {', '.join(CHECKPOINTS)}"
    if "/" in name or name.startswith(("~", ".")):
        remedy = f"a folder is given as model.folder; model.checkpoint is {remedy}"
    raise UserError(f"{name}: no such checkpoint{nearest(name, CHECKPOINTS)}", remedy)


def checkpoint_path(name: str, revision: str | None = None) -> Path:
    """The checkpoint's folder, in nova_bench or in the hub's cache; never touches the network.

    MissingAsset with the command that fetches it. A snapshot that lacks files is refused when it is used.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    checkpoint = get_checkpoint(name)
    if checkpoint.folder is not None:
        return checkpoint.folder
    try:
        folder = snapshot_download(
            checkpoint.repo_id,
            revision=revision or checkpoint.revision,
            local_files_only=True,
            allow_patterns=list(FILES),
        )
    except LocalEntryNotFoundError as error:
        raise MissingAsset(f"{missing_text(name)} isn't on this machine", fetch_command(name)) from error
    except ValueError as error:  # a revision that can't be a folder's name
        raise UserError(f"{name}: revision {shorten(revision)}: {error}", "a branch, tag or commit") from error
    return Path(folder)


def fetch_checkpoint(name: str, revision: str | None = None) -> Path:
    """Download what is missing of a checkpoint, verify all of it, and return its folder. Complete files are kept.

    The hub's library shows its own progress. MissingAsset if it can't be downloaded; UserError if it is damaged.
    """
    checkpoint = get_checkpoint(name)
    if checkpoint.folder is not None:
        return checkpoint.folder
    folder = bring_snapshot(checkpoint.repo_id, revision or checkpoint.revision, FILES)
    refuse_incomplete(folder, "ask the repository's authors, or fetch another revision (--revision)")
    refuse_damaged(folder, name)
    return folder


def refuse_damaged(folder: Path, name: str) -> None:
    """Raise UserError if a file of a fetched checkpoint isn't the published one."""
    for path in damaged_files(folder):
        raise UserError(f"{path}: is damaged", f"delete it, then {fetch_command(name)}")


def checkpoint_state(name: str, thorough: bool = False) -> AssetState:
    """Whether a checkpoint is in the hub's cache; ``thorough`` reads every byte."""
    try:
        folder = checkpoint_path(name)
    except MissingAsset:
        return AssetState.MISSING
    return AssetState.DAMAGED if thorough and checkpoint_problem(folder) else AssetState.HERE


def checkpoint_problem(folder: Path) -> str:
    """Why a checkpoint can't be used; empty if it is complete and undamaged. Reads every byte."""
    try:
        refuse_incomplete(folder)
        damaged = next(damaged_files(folder), None)
    except Incomplete as error:
        return error.message
    except OSError as error:
        return f"{error.filename or folder}: {error.strerror or error}"
    return f"{damaged}: its bytes differ from the published ones" if damaged else ""


def damaged_files(folder: Path) -> Iterator[Path]:
    """Files of a snapshot whose bytes don't match the digest in their cached name.

    A cache without links (some file systems can't make them) states no digests, so nothing can be found there.
    """
    for path in checkpoint_files(folder):
        stated = path.resolve().name
        if re.fullmatch(r"[0-9a-f]{64}", stated):
            actual = file_digest(path)
        elif re.fullmatch(r"[0-9a-f]{40}", stated):
            actual = _git_digest(path)
        else:
            continue
        if actual != stated:
            yield path


def missing_text(name: str) -> str:
    """What is missing, with its size: ``the checkpoint nova-0.6b-t2v (about 8.0 GB)``."""
    size = get_checkpoint(name).size
    return f"the checkpoint {name}" + (f" (about {megabytes(size)})" if size else "")


def fetch_command(name: str) -> str:
    """The command that fetches a checkpoint."""
    return f"python -m nova_bench assets fetch {name}"


def _git_digest(path: Path) -> str:
    with open_regular(path) as stream:
        content = stream.read()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
