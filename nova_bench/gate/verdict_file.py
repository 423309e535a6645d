"""The contents of `verdict.json`: everything that a comparison found, from which every other format is written.

`docs/verdict.schema.json` is the JSON schema of :class:`VerdictFile`, and of :class:`~.speed_file.SpeedReport`
(`python -m nova_bench list --schema verdict`).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

SCHEMA_VERSION = 1
"""Changes whenever a reader of the file would have to change; new keys alone don't change it."""

VerdictName = Literal["regressed", "not comparable", "inconclusive", "pass", "improved"]
"""In this order: the overall verdict is the first that any gating metric has."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class CardDifference(_Part):
    """One field of the protocol card in which the two sides differ, or that one of them doesn't know."""

    field: str
    """Field of the card, such as `fps` or `scorer version`."""
    a: Any
    """Value of side A; null if unknown."""
    b: Any
    """Value of side B; null if unknown."""
    effect: Literal["refused", "accepted", "listed", "unknown"]
    """refused: the numbers can't be compared. accepted: they can't, but `--accept` waived it. listed: differs without
    consequences, such as the model. unknown: one side doesn't know it."""
    waiver: str | None = None
    """Word for `--accept` that waives it; null if nothing does."""


class SideFacts(_Part):
    """One of the two things compared."""

    label: str
    """The model's name in tables."""
    what: Literal["run", "folder", "baseline"]
    """Where its numbers come from."""
    name: str
    """Name of the run or of the baseline's file."""
    created: str | None = None
    """Date and time (ISO 8601, UTC) at which the run was made or the baseline blessed."""
    model: str | None = None
    """Digest of what made the samples."""
    seed: int | None = None
    """The suite's seed."""
    packages: dict[str, str | None] = {}
    """Versions of libraries."""
    requested: int
    """Samples that were planned."""
    failed: int
    """Samples that couldn't be made, or that a scorer failed on."""
    missing: int
    """Samples that are not made or not scored yet."""


class Noise(_Part):
    """How much the metric moves between seeds of one checkpoint (`--noise`)."""

    difference: float
    """Largest difference between two seeds, absolute."""
    reach: float
    """Half the width of that difference's interval."""
    seeds: tuple[int, ...]
    """The suite seeds that were compared."""


class PromptLoss(_Part):
    """A prompt's difference in one metric."""

    prompt_id: str
    prompt: str
    a: float
    """Mean over the prompt's samples on side A."""
    b: float
    """The same for side B."""
    difference: float
    """B - A, oriented: negative is worse."""
    indices: tuple[int, ...]
    """Sample indices behind it, the one with the largest loss first."""


class MetricVerdict(_Part):
    """The comparison of one metric or composite."""

    metric: str
    unit: str
    digits: int
    """Decimals for display."""
    higher_is_better: bool
    gating: bool
    """Whether it decides on the overall verdict; the others are information."""
    composite: bool
    a: float | None
    """Value of side A over what is compared; null if there is none."""
    b: float | None
    difference: float | None
    """B - A, oriented so that negative is worse, in the metric's unit; null if not comparable."""
    low: float | None
    high: float | None
    """Bounds of the interval of the difference, family-wise for gating metrics; null where one prompt says nothing."""
    margin: float | None
    """The loss that counts as worse, positive, in the metric's unit; null if not comparable."""
    margin_rule: str
    """Where the margin comes from: `suite`, or the default rule in words."""
    verdict: VerdictName
    note: str = ""
    """For example `worse, within the margin`, or why it is not comparable."""
    method: str = ""
    """How the interval was computed."""
    p: float | None = None
    """Two-sided p of this metric alone, by sign flips."""
    p_family: float | None = None
    """The same, adjusted for all gating metrics (max-T)."""
    p_error: float | None = None
    """Standard error of p due to the limited number of flips; 0 if all were enumerated."""
    mcnemar: float | None = None
    """McNemar's exact p, for 0/1 metrics with one sample per prompt."""
    detectable: float | None = None
    """Smallest loss that would be detected with 80 % power."""
    more_prompts: int | None = None
    """Prompts, in all, that would decide if the difference stays as it is."""
    more_samples: int | None = None
    """Samples per prompt, in all, that would decide."""
    prompts: int = 0
    """Prompts compared."""
    pairs: int = 0
    """Pairs of samples compared."""
    counted_as_worst: int = 0
    """Samples that failed in B and not in A, counted as the metric's worst value."""
    worst: float | None = None
    """That worst value; null if none counted."""
    dropped: int = 0
    """Sample pairs left out since one side has no value."""
    noise: Noise | None = None
    losses: tuple[PromptLoss, ...] = ()
    """Prompts that lost most, worst first."""


class Look(_Part):
    """One preplanned look at the data."""

    share: float
    """Share of the prompts, in (0, 1]."""
    prompts: int
    alpha: float
    """Error probability spent up to this look."""
    verdict: VerdictName
    stopped: bool
    """Whether the comparison ended here."""


class Rule(_Part):
    """How verdicts are reached."""

    alpha: float
    """Family-wise error probability, two-sided."""
    flips: int
    """Sign flips behind p and intervals; all are enumerated if there are fewer."""
    seed: int
    """Seed of the flips."""
    missing: Literal["worst", "drop"]
    """What a sample counts as that failed in B and not in A."""
    accept: tuple[str, ...] = ()
    """Differences that `--accept` waived."""
    pairing: Literal["samples", "prompt means"]
    """samples: by prompt and sample index. prompt means: the two sides have different seeds."""


class Drift(_Part):
    """The comparison with the first baseline of the line, to see many small losses that each passed."""

    since: str
    """Date of the first baseline."""
    blessings: int
    """How often the baseline was blessed again since then."""
    verdict: VerdictName
    metrics: tuple[MetricVerdict, ...]


class VerdictFile(_Part):
    """What `compare` and `check` found."""

    schema_version: int = SCHEMA_VERSION
    kind: Literal["quality"] = "quality"
    nova_bench: str
    """Version that wrote the file."""
    created: str
    """ISO 8601, UTC."""
    verdict: VerdictName
    exit_code: int
    strict: bool
    summary: str
    """One line: the verdict, what decided it, and how sure it is."""
    reasons: tuple[str, ...] = ()
    """Further lines: failed samples, unknown fields, what would decide."""
    suite: str
    title: str
    a: SideFacts
    b: SideFacts
    rule: Rule
    looks: tuple[Look, ...] = ()
    card: tuple[CardDifference, ...] = ()
    """In what the two sides differ."""
    metrics: tuple[MetricVerdict, ...]
    drift: Drift | None = None
