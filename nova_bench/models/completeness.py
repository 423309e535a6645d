"""What a checkpoint folder must hold according to its model_index.json; checked without torch, before generation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nova_bench.core.errors import UserError
from nova_bench.core.json_text import parse_json
from nova_bench.core.regular_files import NOT_REGULAR, is_regular, read_text

INDEX = "model_index.json"
SUFFIXES = (".json", ".safetensors", ".txt")
"""Configurations, weights, tokenizers: all that can change a checkpoint's output. Other files are never read."""
DIFFUSERS, TRANSFORMERS = "diffusion_pytorch_model.safetensors", "model.safetensors"
# Component -> its configuration, and the name of its weights; a tokenizer's vocabulary is checked below.
_PARTS = {
    "transformer": ("config.json", DIFFUSERS),
    "scheduler": ("scheduler_config.json", None),
    "vae": ("config.json", DIFFUSERS),
    "text_encoder": ("config.json", TRANSFORMERS),
    "tokenizer": ("tokenizer_config.json", None),
}
_VOCABULARIES = (("tokenizer.json",), ("vocab.json", "merges.txt"))
_NAMED = 3


class Incomplete(UserError):
    """A checkpoint lacks files that change its output."""


def refuse_incomplete(folder: Path, remedy: str = "copy or fetch the checkpoint again, whole") -> None:
    """Raise Incomplete if a checkpoint lacks a file that its index requires, or holds one that isn't a regular file."""
    if lacking := list(_lacking(folder)):
        named = ", ".join(lacking[:_NAMED]) + (f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else "")
        raise Incomplete(f"{folder}: the checkpoint is incomplete: {named}", remedy)


def checkpoint_files(folder: Path) -> list[Path]:
    """Every file under ``folder`` that may change the checkpoint's output, sorted; links are followed.

    Entries that aren't regular files are included, so that they are refused and not ignored.
    """
    return sorted(_walk(folder, frozenset()))


def _walk(folder: Path, above: frozenset[tuple[int, int]]) -> Iterator[Path]:
    status = os.stat(folder)
    here = status.st_dev, status.st_ino
    if here in above:  # a link to a folder that holds it
        return
    for path in folder.iterdir():
        if path.is_dir():
            yield from _walk(path, above | {here})
        elif path.suffix in SUFFIXES:
            yield path


def _lacking(folder: Path) -> Iterator[str]:
    """What is missing, a few words each."""
    index = _mapping(folder / INDEX)
    if index is None:
        yield f"no {INDEX} that can be read"
        return
    for part, (configuration, weights) in _PARTS.items():
        if not _is_listed(index, part):
            yield f"{INDEX} lists no {part}"
            continue
        inside = folder / part
        if not inside.is_dir():
            yield f"no {part}/"
            continue
        yield from _unless_there(folder, inside / configuration)
        if weights is not None:
            yield from _lacking_weights(folder, inside, weights)
        if part == "tokenizer" and not _has_vocabulary(inside):
            yield f"no {part}/tokenizer.json"
    for path in checkpoint_files(folder):
        if os.path.exists(path) and not is_regular(path):
            yield f"{path.relative_to(folder)} is {NOT_REGULAR}"


def _has_vocabulary(folder: Path) -> bool:
    return any(all(os.path.exists(folder / name) for name in names) for names in _VOCABULARIES)


def _is_listed(index: dict[str, Any], part: str) -> bool:
    value = index.get(part)
    return isinstance(value, list) and len(value) == 2 and bool(value[1])


def _lacking_weights(folder: Path, inside: Path, name: str) -> Iterator[str]:
    listing = inside / f"{name}.index.json"
    if os.path.lexists(inside / name) or not os.path.lexists(listing):
        for missing in _unless_there(folder, inside / name):
            from nova_bench.nova.checkpoint import what_lies_beside

            yield missing + what_lies_beside(inside, name)
        return
    shards = (_mapping(listing) or {}).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        yield f"{listing.relative_to(folder)} lists no weights"
        return
    for shard in sorted(set(map(str, shards.values()))):
        yield from _unless_there(folder, inside / shard)


def _unless_there(folder: Path, path: Path) -> Iterator[str]:
    if not os.path.exists(path):
        yield f"no {path.relative_to(folder)}"


def _mapping(path: Path) -> dict[str, Any] | None:
    try:
        content = parse_json(read_text(path))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
