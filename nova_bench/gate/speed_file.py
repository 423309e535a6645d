"""What `compare --speed` found, as the contents of its `verdict.json`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from nova_bench.gate.verdict_file import CardDifference, VerdictName

SCHEMA_VERSION = 1
"""Changes whenever a reader of the file would have to change; new keys alone don't change it."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class SpeedSide(_Part):
    """One of the two things timed."""

    label: str
    """The model's name in tables."""
    python: str | None
    """Interpreter of another build; null: the one that compares."""
    build: dict[str, Any]
    """Version and folder of its nova_bench."""
    machine: dict[str, Any]
    """Device, driver, threads, clocks policy, version of torch."""
    setting: dict[str, Any]
    """What one call generates."""
    seconds: tuple[tuple[float, ...], ...] = ()
    """Time of each call by the clock: of each start, in the order of the pairs."""
    median: float | None = None
    """Median of all calls."""


class SpeedReport(_Part):
    """Whether B is slower than A."""

    schema_version: int = SCHEMA_VERSION
    kind: Literal["speed"] = "speed"
    nova_bench: str
    """Version that wrote the file."""
    created: str
    """ISO 8601, UTC."""
    verdict: VerdictName
    exit_code: int
    strict: bool
    summary: str
    """One line: the verdict, the ratio, and how sure it is."""
    reasons: tuple[str, ...] = ()
    """Further lines: what would decide, and what a reader should know."""
    suite: str
    """Suite whose setting was timed."""
    a: SpeedSide
    b: SpeedSide
    card: tuple[CardDifference, ...] = ()
    """In what machine, setting or build differ."""
    ratio: float | None = None
    """Time of B by time of A, geometric mean over the starts; below 1 is faster. Null if not comparable."""
    low: float | None = None
    high: float | None = None
    """Bounds of its interval; null where too few starts say nothing."""
    clock: Literal["wall", "processor"]
    """wall: what a user waits for. processor: processor time of the worker's process, without waiting."""
    margin_percent: float
    """B is slower if it takes longer by at least this."""
    alpha: float
    """Error probability, two-sided."""
    p: float | None = None
    """Two-sided p, by sign flips of the starts' mean log ratios."""
    p_error: float | None = None
    """Standard error of p due to the limited number of flips; 0 if all were enumerated."""
    detectable: float | None = None
    """Smallest ratio above 1 that would be detected with 80 % power."""
    more_starts: int | None = None
    """Starts, in all, that would decide if the ratio stays as it is."""
    more_pairs: int | None = None
    """Pairs per start, in all, that would decide."""
    planned_starts: int
    planned_pairs: int
    """Pairs per start."""
    ended_by: Literal["starts", "seconds", "not comparable"]
    """Why no further pair was timed."""
