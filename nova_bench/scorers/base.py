"""What a scorer is: a description that needs no torch, and an object that turns a batch of samples into scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Literal, Protocol

from nova_bench.config.catalog import SCORERS
from nova_bench.config.fields import Align, ScorerSettings
from nova_bench.config.metadata import MetadataSchema

if TYPE_CHECKING:
    from nova_bench.video import Clip


Average = Literal["mean", "weighted"]
"""How samples become a metric's value: sum(value) / n, or sum(value * weight) / sum(weight)."""


@dataclass(frozen=True)
class Aggregate:
    """Another way from samples to a metric's value, which a suite chooses by name.

    If ``last_of`` names a list among the rows' details, its last entry counts in place of the row's value.
    """

    summary: str
    average: Average
    last_of: str = ""


@dataclass(frozen=True)
class ScorerInfo:
    """Everything the harness must know about a scorer before it is built.

    ``name`` is what suites write and tables show; a stand-in never has the name of the original.
    ``version`` changes whenever the scorer's numbers may change: it is part of the key of every row.
    ``factory`` is ``"module:Class"``, imported only when scores are needed; it is called with
    ``(settings, context)``. ``settings`` is the pydantic model of its settings. ``binary`` says that every sample
    scores 0 or 1, which decides how the mean's interval is computed.
    """

    name: str
    summary: str
    version: str
    unit: str
    range: tuple[float | None, float | None]
    higher_is_better: bool
    source: str
    factory: str
    settings: type[ScorerSettings] = ScorerSettings
    needs_reference: bool = False
    needs_prompt: bool = False
    needs_fps: bool = False
    """Whether the frame rate decides what is measured."""
    assets: tuple[str, ...] = ()
    average: Average = "mean"
    aggregates: Mapping[str, Aggregate] = field(default_factory=dict)
    """By name, what a suite's `aggregate` may choose instead of ``average``."""
    digits: int = 4
    streams: bool = False
    """The scorer needs a window of frames, never all at once: it is a
    :class:`nova_bench.scorers.streaming.StreamingScorer`, and videos of any length can be scored."""
    decode_size: tuple[int, int] | None = None
    """Height and width to which the scorer wants frames resampled while they are decoded, as decord does it; None: as
    stored. The aspect ratio is not kept."""
    even_frames: bool = False
    """The scores assume evenly spaced frames; a variable frame rate is noted."""
    binary: bool = False
    reads: type[MetadataSchema] = MetadataSchema
    """Which metadata of a prompt the scorer reads; none by default. A suite whose prompts lack it is refused, and it is
    part of the identity of the scorer's rows."""

    tally: str = ""
    """``"module:function"``, which makes the metric's values from the details of a prompt's rows: called with a list of
    :class:`Recorded`, it returns a :class:`Tallied` for each, None for a sample that doesn't count. If empty, the rows'
    own values count."""
    breakdown: str = ""
    """``"module:function"``, which says what a prompt adds to the metric's categories: called with a list of
    :class:`Recorded`, it returns :class:`Counted`. If empty, the metric has no categories."""
    rows_of: str = ""
    """Scorer with whose rows the metric is made; if empty, it has its own."""
    brings: tuple[str, ...] = ()
    """Scorers made of the same rows that a suite gets together with this one."""
    specialize: Callable[[ScorerInfo, Any], ScorerInfo] | None = None
    """What the settings make of this description: a name of its own after ``@``, further assets, another version."""

    def __post_init__(self) -> None:
        if self.binary and self.average != "mean":
            raise ValueError(f"scorer {self.name!r}: a share of samples is not weighted")
        if self.streams and self.reads.model_fields:
            raise ValueError(f"scorer {self.name!r}: a stream of frames carries no metadata")

    def aggregated(self, name: str) -> ScorerInfo:
        """This scorer with the average of the aggregate called ``name``; as it is if that is empty."""
        return replace(self, average=self.aggregates[name].average) if name else self

    def with_settings(self, settings: ScorerSettings) -> ScorerInfo:
        """This description with what the settings make of it."""
        return self.specialize(self, settings) if self.specialize else self

    def metrics(self, settings: ScorerSettings) -> tuple[ScorerInfo, ...]:
        """This scorer and those that it brings along, with these settings."""
        return tuple(info.with_settings(settings) for info in (self, *map(SCORERS.get, self.brings)))

    def build(self, settings: ScorerSettings, context: ScorerContext) -> Scorer:
        """Import the implementation and construct it."""
        return resolve_name(self.factory)(settings, context)


@dataclass(frozen=True)
class ScorerContext:
    """What the harness offers a scorer: the torch device, and where an asset's file is.

    ``asset(name)`` returns the verified local path or raises :class:`nova_bench.core.errors.MissingAsset`.
    """

    device: str
    asset: Callable[[str], Path]


@dataclass(frozen=True)
class Sample:
    """One video to score: its decoded clip, the reference clip if the scorer asked for one, and the prompt.

    ``align``: whether frames are paired with those of the reference by presentation time or by index.
    ``metadata``: what the scorer reads about the prompt, an instance of its :attr:`ScorerInfo.reads`.
    """

    clip: Clip
    reference: Clip | None = None
    prompt: str = ""
    align: Align = "time"
    metadata: MetadataSchema = field(default_factory=MetadataSchema)


@dataclass(frozen=True)
class Score:
    """The result for one sample.

    ``value`` None means the metric is not measurable on this sample (``reason`` says why); such samples are counted
    apart and never averaged. ``weight`` matters only if the scorer's ``average`` is ``"weighted"``: the aggregate is
    then sum(value * weight) / sum(weight), e.g. over frames. ``details`` is JSON: per-frame or per-pair numbers.
    ``notes`` are short sentences on what a reader must know about this score; equal ones are reported together, so they
    name no file.
    """

    value: float | None
    weight: float = 1.0
    details: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recorded:
    """A sample of a prompt as a ``tally`` sees it. ``details`` are those of its row, None if it isn't scored."""

    index: int
    metadata: MetadataSchema
    details: Mapping[str, Any] | None


@dataclass(frozen=True)
class Tallied:
    """What a sample counts for a metric. Without a ``value``, ``reason`` says why; ``failed`` if that is a fault."""

    value: float | None
    weight: float = 1.0
    reason: str = ""
    failed: bool = False


@dataclass(frozen=True)
class Counted:
    """What a prompt adds to a category: how many ``answers`` count, and how many of them are in its favour.

    ``questions`` is how many different questions these answer, of the ``asked`` ones.
    """

    category: str
    group: str
    favourable: int
    answers: int
    questions: int
    asked: int


def registered_name(name: str) -> str:
    """The name of a metric's scorer in the catalogue: without what its settings add after ``@``."""
    return name.partition("@")[0]


class Scorer(Protocol):
    """The interface of scorers. ``score`` gets one batch and returns one :class:`Score` per sample, in order.

    A row must not depend on the other samples of the batch. For a sample that can't be scored, ``score`` raises; the
    harness then rescores the batch one by one and records the error for that sample alone.
    """

    def score(self, batch: Sequence[Sample]) -> list[Score]: ...
