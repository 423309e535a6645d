"""The state of a training stage, saved atomically, and its log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from nova_bench.core.atomic_files import write_atomic, write_with
from nova_bench.core.errors import UserError
from nova_bench.core.json_text import parse_json


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a state of tensors and plain values atomically; if interrupted, the previous state remains."""
    write_with(path, lambda temporary: torch.save(state, temporary))


def load_state(path: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """Load the saved state, or None if there is none.

    Raises UserError if it can't be read or if it has another ``identity`` (settings other than the number of steps):
    continuing would give a model that neither setting describes.
    """
    if not path.is_file():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged archive fails in ways without a common base
        raise UserError(
            f"{path}: not a readable state ({error})".splitlines()[0], "delete it to start again"
        ) from error
    before = json.loads(state["identity"])
    changed = sorted(_differences(before, identity))
    if changed:
        raise UserError(
            f"{path.parent}: this run was begun with another {', '.join(changed)}",
            "train under another `name`, or delete the folder to start again",
        )
    return state


def _differences(a: Any, b: Any, prefix: str = "") -> list[str]:
    if isinstance(a, dict) and isinstance(b, dict):
        return [
            key
            for name in a.keys() | b.keys()
            for key in _differences(a.get(name), b.get(name), f"{prefix}.{name}" if prefix else name)
        ]
    return [] if a == b else [prefix]


class TrainingLog:
    """One JSON object per step in a ``.jsonl`` file.

    Lines of steps after the resumed state are dropped, since these steps will be repeated.
    """

    def __init__(self, path: Path, resumed_step: int):
        kept = [line for line in read_log(path) if line["step"] <= resumed_step]
        write_atomic(path, "".join(json.dumps(line) + "\n" for line in kept).encode())
        self._stream = path.open("a", encoding="utf-8")

    def write(self, **record: Any) -> None:
        """Append one record; it is in the file when this returns, though not yet synced to the disk."""
        self._stream.write(json.dumps(record) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def read_log(path: Path) -> list[dict[str, Any]]:
    """Read all complete records of a log; an incomplete last line (after a kill during writing) is skipped."""
    if not path.is_file():
        return []
    records = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            records.append(parse_json(line))
        except ValueError:
            break
    return records
