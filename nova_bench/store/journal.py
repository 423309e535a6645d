"""An append-only journal of what was generated, so that losing the database doesn't lose any video."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from nova_bench.core.json_text import parse_json
from nova_bench.store.files import content_path
from nova_bench.store.records import Artifact

JOURNAL = "journal.jsonl"
# Enough for the last lines, even with long details.
TAIL = 2**20


def append(artifacts: Path, new: Iterable[Artifact]) -> None:
    """Add one line per artifact and sync once. Raises OSError."""
    lines = [
        json.dumps(
            {
                "unit": artifact.unit,
                "sha256": artifact.sha256,
                "suffix": artifact.path.suffix,
                "size": artifact.size,
                "seconds": artifact.seconds,
                "details": artifact.details,
            },
            default=str,
        )
        for artifact in new
    ]
    if not lines:
        return
    # The leading newline ends a line cut short by a kill or a full disk; replaying skips such a line.
    with (artifacts / JOURNAL).open("a", encoding="utf-8") as stream:
        stream.write("\n" + "\n".join(lines))
        stream.flush()
        os.fsync(stream.fileno())


def replay(artifacts: Path) -> dict[str, Artifact]:
    """Unit -> artifact of every complete line whose file still exists with its size; a unit's last line counts."""
    path = artifacts / JOURNAL
    if not path.is_file():
        return {}
    found = {}
    with path.open(encoding="utf-8", errors="replace") as stream:
        for artifact in _entries(artifacts, stream):
            try:
                if artifact.path.stat().st_size == artifact.size:
                    found[artifact.unit] = artifact
            except OSError:
                continue
    return found


def last_entry(artifacts: Path) -> Artifact | None:
    """The last complete line; None if there is none. Its file may be gone."""
    try:
        with (artifacts / JOURNAL).open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - TAIL))
            lines = stream.read().decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return None
    return next(_entries(artifacts, reversed(lines)), None)


def _entries(artifacts: Path, lines: Iterable[str]) -> Iterator[Artifact]:
    for line in lines:
        try:
            entry = parse_json(line)
            path = content_path(artifacts, entry["sha256"], entry["suffix"])
            yield Artifact(
                entry["unit"], entry["sha256"], path, entry["size"], False, entry["seconds"], entry["details"]
            )
        except (ValueError, KeyError, TypeError):
            continue
