"""What must be equal before two sides' times may be compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nova_bench.gate.verdict_file import CardDifference

BUILD = frozenset({"torch", "cuda"})
"""Facts of a machine that belong to a build: they may differ, and are listed."""
MODEL = frozenset({"temporal_autoregressive"})
"""Fields of a setting that belong to a model."""


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[CardDifference, ...]:
    """The facts of two workers that differ.

    Machine and setting must be equal, and a difference there is refused; builds may differ. A fact that only one side
    states, because the other build knows less, is unknown.
    """
    found: list[CardDifference] = []
    for part, free in (("machine", BUILD), ("setting", MODEL)):
        ours, theirs = a[part], b[part]
        for name in dict.fromkeys([*ours, *theirs]):
            if ours.get(name) == theirs.get(name):
                continue
            known = name in ours and name in theirs
            effect: Any = "listed" if name in free else "refused" if known else "unknown"
            found.append(CardDifference(field=name, a=ours.get(name), b=theirs.get(name), effect=effect))
    for name in ("nova_bench", "folder"):
        if a["build"].get(name) != b["build"].get(name):
            field = "version of nova_bench" if name == "nova_bench" else "folder of nova_bench"
            found.append(CardDifference(field=field, a=a["build"].get(name), b=b["build"].get(name), effect="listed"))
    return tuple(found)
