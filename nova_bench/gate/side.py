"""One side of a comparison: what was measured, sample by sample, under which protocol, by what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nova_bench.gate.card import IMPORTED, MetricCard
from nova_bench.store import Status


@dataclass(frozen=True)
class Sample:
    """One metric's result on one sample; ``value`` is None unless it is ok. A sample not scored yet has no status."""

    status: Status | None
    value: float | None = None
    weight: float = 1.0


@dataclass(frozen=True)
class MetricData:
    """One metric of a side. ``samples`` maps prompt id -> sample index -> result.

    ``inputs`` is a digest for each prompt of what scores depend on besides the sample: the reference and metadata.
    """

    name: str
    unit: str
    digits: int
    higher_is_better: bool
    range: tuple[float | None, float | None]
    binary: bool
    weighted: bool
    card: MetricCard
    samples: Mapping[str, Mapping[int, Sample]]
    inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def filtered(self) -> bool:
        """Whether another scorer decides which samples count."""
        return bool(self.card.keep)

    @property
    def orientation(self) -> int:
        """1, or -1 for a metric of which less is better."""
        return 1 if self.higher_is_better else -1


@dataclass(frozen=True)
class Side:
    """What one side measured.

    ``card`` has the fields of :data:`nova_bench.gate.card.FIELDS`, except those about the prompts, which depend on what
    is compared. ``prompts`` maps prompt id -> the prompt; ``texts`` prompt id -> digest of the text that the model got,
    None if that isn't known. ``counts`` maps prompt id -> number of planned samples. ``composites`` are names, and
    ``filters`` those of metrics that only decide which samples of others count. ``not_computed`` maps a metric to what
    it needs.
    """

    label: str
    what: Literal["run", "folder", "baseline"]
    name: str
    suite: str
    title: str
    card: Mapping[str, Any]
    prompts: Mapping[str, str]
    texts: Mapping[str, str | None]
    metrics: Mapping[str, MetricData]
    counts: Mapping[str, int]
    composites: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    created: str | None = None
    model: str | None = None
    seed: int | None = None
    packages: Mapping[str, str | None] = field(default_factory=dict)
    not_computed: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] | None = None
    """Prompt id -> the name that pairs it with one of another folder: its relative path without suffix."""
    requested: int = 0
    failed: int = 0
    missing: int = 0

    @property
    def imported(self) -> bool:
        """Whether its results come from another tool's file."""
        return any(metric.card.version == IMPORTED for metric in self.metrics.values())
