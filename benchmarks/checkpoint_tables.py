"""The tables of gate_checkpoints.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median

from tabulate import tabulate

from nova_bench.gate.outputs.words import VERDICTS, interval_text, ranked, tally
from nova_bench.gate.verdict_file import VerdictFile

COUNTED = [verdict for verdict in VERDICTS if verdict != "not comparable"]
SHOWN = ("metric", "gating", "verdict", "a", "b", "difference", "low", "high", "margin", "detectable")
SHOWN += ("p", "p_family", "method", "more_prompts", "prompts")
"""Of a metric's verdict."""

Timed = tuple[VerdictFile, float]
"""What `check` said, and the seconds it took."""


def rows_of(comparison: str, case: str, file: VerdictFile, seconds: float | None = None) -> Iterator[dict[str, object]]:
    """A row for each metric of a comparison."""
    for metric in file.metrics:
        facts = {name: getattr(metric, name) for name in SHOWN}
        yield {"comparison": comparison, "case": case, "overall": file.verdict, **facts, "seconds": seconds}


def seeds_table(pairs: Sequence[VerdictFile], checks: Sequence[Timed]) -> str:
    """How often nova-tiny with another seed gets each verdict."""
    ended = Counter(file.looks[-1].prompts for file, _ in checks)
    looks = ", ".join(f"{prompts} ({ended[prompts]})" for prompts in sorted(ended))
    seconds = f"{median(seconds for _, seconds in checks):.0f}"
    rows = [
        ["two neighbours, all prompts", len(pairs), *_counts(file.verdict for file in pairs), "", ""],
        ["`check`, early looks", len(checks), *_counts(file.verdict for file, _ in checks), looks, seconds],
    ]
    return _table(["seeds", "times", *COUNTED, "ended after prompts (times)", "seconds, median"], rows)


def metrics_table(pairs: Sequence[VerdictFile]) -> str:
    """The same for each deciding metric of neighbouring seeds."""
    rows = []
    for name in (metric.metric for metric in pairs[0].metrics if metric.gating):
        found = [metric for file in pairs for metric in file.metrics if metric.metric == name]
        detectable = median(metric.detectable or 0.0 for metric in found)
        numbers = (max(abs(metric.difference or 0.0) for metric in found), detectable)
        shown = [f"{number:.{found[0].digits}f}" for number in numbers]
        rows.append([name, found[0].margin, *shown, *_counts(metric.verdict for metric in found)])
    return _table(["metric", "margin", "largest difference", "detectable, median", *COUNTED], rows)


def copies_table(copies: Mapping[str, VerdictFile], checks: Mapping[str, Timed]) -> str:
    """What the gate says of each copy, with the metric that decided; and how `check` ended, where it ran."""
    rows = []
    for name, file in copies.items():
        worst = ranked(file.metrics)[0]
        detectable = "" if worst.detectable is None else f"{worst.detectable:.{worst.digits}f}"
        row = [name, f"**{file.verdict}**", tally(file), worst.metric, interval_text(worst), worst.margin, detectable]
        if name in checks:
            early = checks[name][0]
            row.append(f"{early.verdict}, {early.looks[-1].prompts}")
        rows.append(row)
    heads = ["copy", "verdict", "deciding metrics", "worst of them", "difference", "margin", "detectable"]
    return _table([*heads, "`check`: verdict, prompts"], rows)


def _counts(verdicts: Iterable[str]) -> list[int]:
    counts = Counter(verdicts)
    return [counts[verdict] for verdict in COUNTED]


def _table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    return tabulate(rows, heads, tablefmt="github", disable_numparse=True)
