"""Prompts that count otherwise than the rest: dropped by a benchmark's rule, failed in part, or counted twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mode

from nova_bench.config.metadata import ITEM
from nova_bench.config.units import Unit
from nova_bench.core.messages import shorten
from nova_bench.pipeline.aggregate import MetricSummary, SampleScore, by_prompt
from nova_bench.render.table import Cell, Column, Row, Table
from nova_bench.report.naming import problem_of
from nova_bench.store import Status

SHOWN = 60


def prompt_label(unit: Unit) -> str:
    """What a benchmark calls a prompt, for example DPG-Bench's item; the prompt itself if it has no other name."""
    return str(unit.metadata.values().get(ITEM) or shorten(unit.prompt))


def uncounted_table(summaries: Sequence[MetricSummary]) -> Table | None:
    """A row for each prompt and metric with a tally of its own that it doesn't count as all others; None without."""
    lines: dict[tuple[str, str, str], list[str]] = {}
    for summary in summaries:
        if not summary.scorer.info.breakdown:
            continue
        prompts = by_prompt(summary.samples)
        usual = mode(map(len, prompts)) if prompts else 0
        for prompt in prompts:
            label = prompt_label(prompt[0].unit)
            for what, why in _problems(prompt, usual):
                lines.setdefault((label, what, why), []).append(summary.scorer.info.name)
    if not lines:
        return None
    rows = [
        Row({"prompt": Cell(label), "metrics": Cell(", ".join(names)), "what": Cell(what), "why": Cell(why)})
        for (label, what, why), names in lines.items()
    ]
    more = len(rows) - SHOWN
    return Table(
        id="uncounted",
        title="Prompts that don't count as the others",
        columns=tuple(
            Column(key, title, "label")
            for key, title in {"prompt": "Prompt", "metrics": "Metric", "what": "Counts", "why": "Why"}.items()
        ),
        rows=tuple(rows[:SHOWN]),
        notes=(f"and {more} more: see samples.csv",) if more > 0 else (),
    )


def _problems(prompt: Sequence[SampleScore], usual: int) -> list[tuple[str, str]]:
    """(how it counts, why) for each reason; ``usual`` is how many samples most prompts have."""
    ok = [score for score in prompt if score.status == Status.OK]
    what = "not at all" if not ok else f"{len(ok)} of {len(prompt)} samples"
    others = [score for score in prompt if score.status != Status.OK]
    found = dict.fromkeys((what, problem_of(score) if score.status else "not scored yet") for score in others)
    if len(ok) > usual:
        files = dict.fromkeys(Path(score.unit.source).name for score in ok if score.unit.source)
        found[f"{len(ok) / usual:g} times", f"{len(ok)} samples instead of {usual}: {', '.join(files)}"] = None
    return list(found)
