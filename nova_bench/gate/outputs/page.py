"""The page of a comparison: one self-contained HTML file, the verdict on its first screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nova_bench.core.atomic_files import write_atomic
from nova_bench.core.errors import ExitCode
from nova_bench.gate.outputs.losses import Loss, LostPrompt, lost_prompts
from nova_bench.gate.outputs.strips import scale_of, strips
from nova_bench.gate.outputs.table import card_table, drift_table, looks_table, verdict_table
from nova_bench.gate.outputs.words import SIGNS, VERDICTS, shortened, side_text, signed
from nova_bench.gate.verdict_file import SideFacts, VerdictFile
from nova_bench.render.grid import format_number
from nova_bench.render.html.fragment import html_table
from nova_bench.render.html.media import DEFAULT_BUDGET, MediaShelf
from nova_bench.render.html.page import HOME, flat, render_page
from nova_bench.render.table import Table

Media = Callable[[str, int], tuple[Path | str | None, Path | str | None]]
"""(prompt id, sample index) -> (new, old): each a file, or a sentence that says why there is none."""

SHOWN = 12
"""Prompts that the page shows with their videos."""
FOLDED = 300
"""Characters of a prompt that are shown at once."""
REASON = 400
"""Characters of one of the reasons; a longer one is cut, which the page shows by an ellipsis."""
NO_MEDIA = "No video was given for this sample."
PACKAGE = "nova_bench.gate.outputs"
MEANINGS = {
    ExitCode.PASS: "pass",
    ExitCode.REGRESSION: "regression",
    ExitCode.INCOMPLETE: "incomplete",
    ExitCode.INCONCLUSIVE: "undecided",
}


@dataclass(frozen=True)
class Frame:
    """One half of a pair: how to show a file, or why there is none."""

    label: str
    kind: str
    source: str = ""
    """Address of the file, or its content as a data URI."""
    address: str = ""
    name: str = ""
    why: str = ""


def write_page(file: VerdictFile, path: Path, media: Media | None = None, *, budget: int = DEFAULT_BUDGET) -> Path:
    """Write the page atomically and return its path.

    Videos are embedded until they take up ``budget`` bytes of the page; further ones are linked relative to ``path``.
    """
    return write_atomic(path, render_verdict_page(file, path, media, budget=budget).encode("utf-8", "replace"))


def render_verdict_page(file: VerdictFile, path: Path, media: Media | None = None, *, budget: int) -> str:
    """The page's text; ``path`` is its future location, which linked videos are relative to."""
    shelf = MediaShelf(path, budget)
    lost = lost_prompts(file)
    scale = scale_of(file.metrics)
    return render_page(
        PACKAGE,
        "verdict.html.j2",
        [(HOME, "report.css"), (PACKAGE, "verdict.css")],
        [(HOME, "tables.js"), (PACKAGE, "pairs.js")],
        file=file,
        sign=SIGNS[file.verdict],
        decided=file.summary.removeprefix(f"{file.verdict}: "),
        reasons=[shortened(reason, REASON) for reason in file.reasons],
        sides=[f"B: {side_text(file.b)}", f"A: {side_text(file.a)}"],
        counts=_counts(file),
        facts=list(_facts(file)),
        scale=scale,
        strips=strips(file.metrics, scale),
        metrics=_fragment(verdict_table(file)),
        card=_fragment(card_table(file)) if file.card else None,
        looks=_fragment(looks_table(file)) if file.looks else None,
        drift=_fragment(drift_table(file.drift, file.rule)) if file.drift else None,
        prompts=[_prompt(prompt, shelf, media) for prompt in lost[:SHOWN]],
        lost=len(lost),
        shelf=shelf,
        provenance=list(flat(_provenance(file))),
    )


def _fragment(table: Table) -> Any:
    from markupsafe import Markup

    return Markup(html_table(table))


def _counts(file: VerdictFile) -> list[tuple[str, str, int]]:
    """(verdict, its sign, number of deciding metrics that have it), worst first."""
    found = [metric.verdict for metric in file.metrics if metric.gating]
    return [(name, SIGNS[name], found.count(name)) for name in VERDICTS if name in found]


def _facts(file: VerdictFile) -> Iterator[tuple[str, str]]:
    code = ExitCode(file.exit_code)
    yield "exit code", f"{code:d} · {MEANINGS.get(code, code.name.lower())}"
    deciding = sum(metric.gating for metric in file.metrics)
    yield "deciding metrics", f"{deciding} of {len(file.metrics)}"
    yield "prompts compared", f"{max((metric.prompts for metric in file.metrics), default=0):,}"
    yield "pairs of samples", f"{max((metric.pairs for metric in file.metrics), default=0):,}"
    for name, side in (("B", file.b), ("A", file.a)):
        if name == "B" or side.failed or side.missing:
            yield f"failed or missing in {name}", f"{side.failed + side.missing:,} of {side.requested:,}"


def _prompt(lost: LostPrompt, shelf: MediaShelf, media: Media | None) -> dict[str, Any]:
    new, old = media(lost.prompt_id, lost.index) if media else (None, None)
    return {
        "prompt": lost.prompt,
        "start": shortened(lost.prompt, FOLDED) if len(lost.prompt) > FOLDED else "",
        "index": lost.index,
        "frames": [_frame("new", new, shelf), _frame("old", old, shelf)],
        "losses": list(map(_loss, lost.losses)),
    }


def _loss(item: Loss) -> dict[str, str]:
    digits, loss = item.metric.digits, item.loss
    return {
        "metric": item.metric.metric,
        "change": f"{format_number(loss.a, digits)} → {format_number(loss.b, digits)}",
        "difference": signed(loss.difference, digits),
    }


def _frame(label: str, found: Path | str | None, shelf: MediaShelf) -> Frame:
    if not isinstance(found, Path):
        return Frame(label, "none", why=found or NO_MEDIA)
    placed = shelf.media(found)
    kind, blob, address = str(placed["kind"]), placed.get("blob"), str(placed.get("href", ""))
    if kind == "missing":
        return Frame(label, "none", why=f"File not found: {found.name}")
    source = shelf.blobs[blob] if isinstance(blob, int) else address
    return Frame(label, kind, source, address, found.name)


def _provenance(file: VerdictFile) -> dict[str, Any]:
    rule = file.rule.model_dump(exclude_defaults=True)
    return {
        "suite": file.suite,
        "nova_bench": file.nova_bench,
        "created": file.created,
        "rule": {**rule, "strict": "yes" if file.strict else "no"},
        "margins": {metric.metric: metric.margin_rule for metric in file.metrics if metric.margin_rule},
        "A": _side(file.a),
        "B": _side(file.b),
    }


def _side(side: SideFacts) -> dict[str, Any]:
    facts = side.model_dump(exclude={"packages"})
    known = {name: value for name, value in facts.items() if value is not None}
    return known | {"packages": ", ".join(f"{name} {version}" for name, version in side.packages.items() if version)}
