"""An append-only list of what was generated, so that even a lost database costs no video."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from nova_bench.store.files import content_path
from nova_bench.store.records import Artifact

JOURNAL = "journal.jsonl"


def append(artifacts: Path, artifact: Artifact, suffix: str) -> None:
    """Add one line and sync it. Raises OSError."""
    entry = {
        "unit": artifact.unit,
        "sha256": artifact.sha256,
        "suffix": suffix,
        "size": artifact.size,
        "seconds": artifact.seconds,
        "details": artifact.details,
    }
    # The leading newline ends a line that a kill or a full disk cut short; such a line is skipped when replaying.
    with (artifacts / JOURNAL).open("a", encoding="utf-8") as stream:
        stream.write("\n" + json.dumps(entry))
        stream.flush()
        os.fsync(stream.fileno())


def replay(artifacts: Path) -> Iterator[tuple[Artifact, str]]:
    """(artifact, suffix) of every whole line whose file is still there with its size."""
    path = artifacts / JOURNAL
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
            file = content_path(artifacts, entry["sha256"], entry["suffix"])
            if file.stat().st_size == entry["size"]:
                yield (
                    Artifact(
                        entry["unit"], entry["sha256"], file, entry["size"], False, entry["seconds"], entry["details"]
                    ),
                    entry["suffix"],
                )
        except (ValueError, KeyError, TypeError, OSError):
            continue
