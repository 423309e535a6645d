"""Where a report's numbers come from: the last invocation in its run's manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nova_bench.config.paths import shortened
from nova_bench.pipeline.manifest import read_manifest


def last_invocation(folder: Path) -> dict[str, Any]:
    """Time, machine and versions of the last invocation of the run in ``folder``; empty without a manifest."""
    invocations = read_manifest(folder).get("invocations")
    if not invocations:
        return {}
    last = invocations[-1]
    git = last.get("git") or {}
    revision = git.get("revision", "not under git")[:12] + (" (with local changes)" if git.get("dirty") else "")
    return {
        "date": last["ended"],
        "device": ", ".join(f"{key} {value}" for key, value in last["device"].items()),
        "nova_bench": last["nova_bench"],
        "revision": revision,
        "python": last["python"],
        "torch": last["packages"].get("torch"),
        "command": " ".join(map(shortened, last["command"])),
    }
