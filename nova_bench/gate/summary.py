"""The exit code, the one-line summary and the further lines of a comparison, from what it found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from nova_bench.core.errors import ExitCode
from nova_bench.core.notices import listed
from nova_bench.gate.outputs.words import sentence

if TYPE_CHECKING:
    from nova_bench.gate.side import Side
    from nova_bench.gate.verdict_file import CardDifference, MetricVerdict, VerdictFile


def exit_code_of(file: VerdictFile, b: Side) -> ExitCode:
    """The first that applies: nothing comparable 3, regressed 1, failed or missing samples 3, undecided 4 (strict), 0.

    Samples of B that failed or are missing count, and those of A that are missing: a baseline's failed samples are
    known.
    """
    gating = [metric for metric in file.metrics if metric.gating]
    if all(metric.verdict == "not comparable" for metric in gating):
        return ExitCode.INCOMPLETE
    if file.verdict == "regressed":
        return ExitCode.REGRESSION
    if file.b.failed or file.b.missing or file.a.missing or any(m.metric in b.not_computed for m in gating):
        return ExitCode.INCOMPLETE
    if file.strict and file.verdict in ("inconclusive", "not comparable"):
        return ExitCode.INCONCLUSIVE
    return ExitCode.PASS


def summary_of(file: VerdictFile) -> str:
    """The verdict, what decided it, and how sure it is, in one line."""
    gating = [metric for metric in file.metrics if metric.gating]
    if not gating:
        return "not comparable: no metric decides"
    decisive = [metric for metric in gating if metric.verdict == file.verdict]
    if file.verdict == "not comparable":
        names = listed([metric.metric for metric in decisive])
        reasons = dict.fromkeys(metric.note for metric in decisive)
        return f"not comparable: {names}: {next(iter(reasons))}"
    count = f"{len(decisive)} of {len(gating)} metrics"
    if file.verdict in ("pass", "improved"):
        ranked = sorted(decisive, key=_room)
        return f"{file.verdict}: {count}; closest to its margin: {sentence(ranked[0])}"
    worst = sorted(decisive, key=lambda metric: (metric.difference or 0.0) / (metric.margin or 1.0))
    return f"{file.verdict}: {count}: " + "; ".join(map(sentence, worst[:3])) + (" ..." if len(worst) > 3 else "")


def reasons_of(file: VerdictFile, b: Side) -> tuple[str, ...]:
    """Further lines that a reader must know: failed samples, accepted and unknown fields, what would decide."""
    lines = []
    if file.b.failed or file.b.missing:
        lines.append(f"B: {file.b.failed} of {file.b.requested} samples failed, {file.b.missing} are missing")
    if file.a.failed or file.a.missing:
        lines.append(f"A: {file.a.failed} of {file.a.requested} samples failed, {file.a.missing} are missing")
    worst = [metric for metric in file.metrics if metric.counted_as_worst]
    lines += [
        f"{metric.metric}: {metric.counted_as_worst} samples that failed in B and not in A count as {metric.worst:g}"
        for metric in worst
    ]
    if file.rule.missing == "drop" and (file.a.failed or file.b.failed):
        lines.append("samples that failed on one side are left out (--missing drop)")
    if file.rule.pairing == "prompt means":
        lines.append("the two sides have different seeds: compared by prompt means")
    accepted = [difference for difference in file.card if difference.effect == "accepted"]
    lines += [f"{described(d)}: accepted with --accept {d.waiver}" for d in accepted]
    if unknown := [difference.field for difference in file.card if difference.effect == "unknown"]:
        lines.append(f"unknown on a side, so not checked: {', '.join(unknown)}")
    lines += [f"{name}: not computed: {why}" for name, why in b.not_computed.items()]
    lines += [line for metric in file.metrics if metric.gating for line in _what_would_decide(metric)]
    return tuple(lines)


def described(difference: CardDifference) -> str:
    """A difference in words, of mappings only the keys that differ: ``fps: 12 in A, 8 in B``."""
    a, b = difference.a, difference.b
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        keys = [key for key in sorted({*a, *b}) if a.get(key) != b.get(key)]
        a, b = ({key: side[key] for key in keys if key in side} for side in (a, b))
    return f"{difference.field}: {_shown(a)} in A, {_shown(b)} in B"


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_shown(part)}" for key, part in sorted(value.items())) or "none"
    text = "unknown" if value is None else str(value)
    return text[:12] if len(text) == 64 and " " not in text else text or "none"


def _what_would_decide(metric: MetricVerdict) -> Iterable[str]:
    if metric.verdict != "inconclusive":
        return
    parts = []
    if metric.more_prompts:
        parts.append(f"{metric.more_prompts:,} prompts instead of {metric.prompts:,}")
    if metric.more_samples:
        parts.append(f"{metric.more_samples:,} samples per prompt")
    decide = f"; {' or '.join(parts)} would decide if the difference stays as it is" if parts else ""
    smallest = "no loss can be found with 80 % power"
    if metric.detectable is not None:
        smallest = f"the smallest loss found with 80 % power is {metric.detectable:.{metric.digits}f}"
    yield f"{metric.metric}: inconclusive: {smallest}{decide}"


def _room(metric: MetricVerdict) -> float:
    """How far the interval is from the margin, in margins."""
    return ((metric.low or 0.0) + (metric.margin or 1.0)) / (metric.margin or 1.0)
