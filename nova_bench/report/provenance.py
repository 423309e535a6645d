"""Where a report's numbers come from: the last invocation in its run's manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nova_bench.config.paths import shortened
from nova_bench.pipeline.manifest import read_manifest

_PLAIN = {"device": "{}", "name": "{}", "cores": "{} cores", "products": "products by {}"}


def device_text(facts: Mapping[str, Any]) -> str:
    """A device's facts, as a manifest states them, in one line."""
    return ", ".join(_PLAIN.get(key, f"{key} {{}}").format(value) for key, value in facts.items())


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
        "device": device_text(last["device"]),
        "nova_bench": last["nova_bench"],
        "revision": revision,
        "python": last["python"],
        "torch": last["packages"].get("torch"),
        "command": " ".join(map(shortened, last["command"])),
    }
