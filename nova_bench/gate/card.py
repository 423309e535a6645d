"""The protocol card of a run: all that decides whether its numbers may be compared with those of another run.

What a run doesn't know, such as the sampler of videos from elsewhere, is None, and is reported as unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nova_bench.gate.verdict_file import CardDifference

IMPORTED = "imported"
"""Stands for the version of a scorer whose results were imported: another tool computed them, in an unknown version."""

FIELDS = {
    "prompts": "prompts",
    "prompt texts": "prompts",
    "samples per prompt": "samples",
    "seed rule": "seeds",
    "frames": "frames",
    "fps": "fps",
    "size": "size",
    "precision": "precision",
    "sampler": "sampler",
}
"""Field of a run's card -> the word for `--accept` that waives a difference in it."""


@dataclass(frozen=True)
class MetricCard:
    """How a metric was computed. ``identity`` covers version, weights, settings and the treatment of truncated videos.

    ``weights`` maps an asset to its SHA-256. ``judge`` names the model that judges, empty without one. ``keep`` is the
    filter that decides which samples count.
    """

    identity: str
    version: str
    weights: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    judge: str = ""
    keep: str = ""

    def fields(self) -> dict[str, Any]:
        """The fields in order, under the names that reports use; what the identity covers besides comes last."""
        return {
            "scorer version": self.version,
            "scorer weights": dict(self.weights),
            "judge": self.judge,
            "scorer settings": dict(self.settings),
            "filter": self.keep,
            "scorer identity": self.identity,
        }


def run_differences(
    a: Mapping[str, Any], b: Mapping[str, Any], accept: Iterable[str], extra: Iterable[CardDifference] = ()
) -> list[CardDifference]:
    """In which fields of :data:`FIELDS` two runs differ, or which one of them doesn't know; ``extra`` comes last."""
    accepted = frozenset(accept)
    found = [_difference(name, a.get(name), b.get(name), waiver, accepted) for name, waiver in FIELDS.items()]
    return [difference for difference in found if difference is not None] + list(extra)


def metric_differences(name: str, a: MetricCard, b: MetricCard) -> list[CardDifference]:
    """In what two computations of a metric differ. Nothing waives it: the numbers mean different things.

    Of imported results only the aggregate is known.
    """
    ours, theirs = a.fields(), b.fields()
    if IMPORTED in (a.version, b.version):
        ours, theirs = ({"aggregate": card.settings.get("aggregate", "the scorer's own")} for card in (a, b))
    found = [
        CardDifference(field=f"{name}: {key}", a=ours[key], b=theirs[key], effect="refused")
        for key in ours
        if ours[key] != theirs[key]
    ]
    # The identity is a digest: it is named only if nothing that it covers explains the difference.
    return found[:-1] if len(found) > 1 and found[-1].field.endswith("scorer identity") else found


def listed(field_name: str, a: Any, b: Any) -> list[CardDifference]:
    """A difference without consequences, for the reader; none if both sides are equal."""
    return [] if a == b else [CardDifference(field=field_name, a=a, b=b, effect="listed")]


def _difference(name: str, a: Any, b: Any, waiver: str, accepted: frozenset[str]) -> CardDifference | None:
    effect: Literal["refused", "accepted", "unknown"]
    if a is None or b is None:
        effect = "unknown"
    elif a == b:
        return None
    else:
        effect = "accepted" if waiver in accepted else "refused"
    return CardDifference(field=name, a=a, b=b, effect=effect, waiver=waiver)
