"""Names of result files that are safe whatever text they are made from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable


def safe_name(text: str) -> str:
    """A portable file stem made from ``text``: letters, digits, ``-``, ``_`` and inner dots, at most 80 characters."""
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip(".-")[:80].rstrip(".-")
    return stem or "unnamed-" + hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8]


def distinct_names(ids: Iterable[str]) -> list[str]:
    """:func:`safe_name` of each id; ids that would share a file (also if case is ignored) get a hash appended."""
    ids = list(ids)
    stems = [safe_name(text) for text in ids]
    folded = [stem.lower() for stem in stems]
    return [
        f"{stem}-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:8]}" if folded.count(low) > 1 else stem
        for text, stem, low in zip(ids, stems, folded, strict=True)
    ]
