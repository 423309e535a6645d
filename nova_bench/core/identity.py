"""Identities shared by plan and result: digests of what determines a thing, and seeds that depend on nothing else.

Plan and finished result call the same functions, so a unit planned today finds the artifact made yesterday.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from nova_bench.core.remembered_digests import stamped_digest

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical_json(content: Any) -> str:
    """``content`` as canonical JSON, which is the same for equal values: sorted keys, no spaces.

    Floats are written in Python's shortest round-trip form. NaN and infinity are refused (ValueError), since they
    compare equal to nothing.
    """
    return _CANONICAL.encode(content)


def digest(kind: str, content: Any) -> str:
    """SHA-256 (64 hex digits) of ``kind`` and ``content`` as canonical JSON.

    ``kind`` keeps different things with the same content apart, for example a unit and a scorer's settings.
    """
    return hashlib.sha256(f"{kind}\0{canonical_json(content)}".encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a regular file's bytes. Raises OSError if it can't be read, isn't regular or changes meanwhile."""
    return stamped_digest(path)[0]


def prompt_id(text: str, image_digest: str = "") -> str:
    """Identity of a prompt (16 hex digits): its text and, for image-to-video, its first frame.

    Case and punctuation count: VBench has prompts that differ by case only.
    """
    return digest("prompt", [text, image_digest])[:16]


SEED_RULE = "suite seed, prompt, sample index (1)"
"""What :func:`seed_for` derives a seed from, and the rule's version."""


def seed_for(suite_seed: int, prompt_id: str, sample_index: int) -> int:
    """Seed of one sample, in [0, 2**63).

    It depends only on the suite's seed, the prompt and the sample index: not on the position in a batch, the number of
    workers or where a run was resumed.
    """
    return int(digest("seed", [suite_seed, prompt_id, sample_index])[:16], 16) >> 1
