"""The store's records: artifacts, failed units and rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class Status(StrEnum):
    """How a piece of work ended."""

    OK = "ok"
    FAILED = "failed"
    """An error, described in the row, prevented it. It is retried if something that it depends on changed."""
    NOT_MEASURABLE = "not measurable"
    """The metric has no value for this sample (such as motion of an image); the row says why. It isn't retried."""


def _nothing_more(error: Exception) -> dict[str, Any]:
    """A named function, so that a draft can be sent to another process."""
    return {}


@dataclass(frozen=True)
class Draft:
    """The output for a unit that isn't on disk yet: ``write(path)`` makes its file."""

    unit: str
    suffix: str
    write: Callable[[Path], object]
    seconds: float = 0.0
    details: dict[str, Any] = field(default_factory=dict)
    failure: Callable[[Exception], dict[str, Any]] = _nothing_more
    """What is stored about an error that prevents writing, besides its message."""


@dataclass(frozen=True)
class Artifact:
    """The output for a unit: a file with the SHA-256 of its bytes."""

    unit: str
    sha256: str
    path: Path
    size: int
    external: bool
    """The file belongs to the user and stays where it is, outside the store."""
    seconds: float = 0.0
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FailedUnit:
    """A unit that couldn't be made, and why."""

    unit: str
    error: str
    details: dict[str, Any] = field(default_factory=dict, compare=False)
    """Its remedy and what it depended on (:mod:`nova_bench.pipeline.failures`)."""


@dataclass(frozen=True)
class Row:
    """One measurement: the result of ``scorer`` for one artifact.

    Keyed by (artifact, identity, inputs): ``artifact`` is the digest of the file's content, ``identity`` that of the
    scorer with version, weights and settings, ``inputs`` that of the reference, prompt or metadata it compared with.
    """

    artifact: str
    identity: str
    inputs: str
    scorer: str
    version: str
    status: Status
    value: float | None = None
    weight: float = 1.0
    message: str = ""
    """The error, or why the metric is not measurable."""
    details: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def key(self) -> tuple[str, str, str]:
        """The row's key."""
        return self.artifact, self.identity, self.inputs
