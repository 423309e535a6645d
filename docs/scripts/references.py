"""Write the reference pages of the documentation from the code: every key of a suite, every metric, every command.

python docs/scripts/references.py writes docs/reference; a test says if a page there is out of date.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from pkgutil import resolve_name

import typer.cli
from typer.main import get_command

from nova_bench.cli import app
from nova_bench.config.catalog import COMPOSITES, JUDGES, SCORERS
from nova_bench.config.reference import FieldHelp, field_sections
from nova_bench.pipeline.operations import counted, gflop
from nova_bench.scorers.base import ScorerInfo

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "reference"
NOTE = "<!-- Written by docs/scripts/references.py; change the code's docstrings instead. -->\n"
PARITY = ("tests/parity/vbench/README.md", "tests/parity/fidelity/README.md")
VBENCH = "VBench"
GROUPS: dict[str, tuple[str, ...]] = {
    "Without weights": ("temporal_flickering", "dynamic_degree_dis"),
    "Against a reference video": ("psnr", "ssim", "ms_ssim", "lpips", "st_lpips"),
    VBENCH: (),
    "DPG-Bench": ("dpg_bench",),
    "Shapes world": ("shapes/",),
}
"""Title -> what the names of its scorers begin with; those of VBench are all others."""


def pages() -> Iterator[tuple[str, str]]:
    """(file name, text) of each reference page."""
    yield "suites.md", suites()
    yield "metrics.md", metrics()
    yield "commands.md", commands()


def suites() -> str:
    """Every key of a suite, by section, from the docstrings of the models that validate it."""
    lines = [NOTE, "# Keys of a suite\n"]
    lines.append(
        "`python -m nova_bench list --fields` prints the same in a terminal. `N` stands for a position in a list, as\n"
        "in `--set arms.1.label=B`.\n"
    )
    for heading, keys in _merged(field_sections(plugins=False)):
        lines += [f"## {heading}\n", *_keys(keys), ""]
    return "\n".join(lines)


def _merged(sections: list[tuple[str, list[FieldHelp]]]) -> Iterator[tuple[str, list[FieldHelp]]]:
    """Scorers with the same keys in one section."""
    for keys, group in groupby(sections, key=lambda section: section[1]):
        headings = [heading for heading, _ in group]
        first, *others = headings
        names = [re.sub("^.* scorer | reads$", "", heading) for heading in others]
        yield ", ".join([first.removesuffix(" reads"), *names]) + " reads" * first.endswith(" reads"), keys


def _keys(keys: list[FieldHelp]) -> list[str]:
    rows = [
        f"| `{key.key}` | {_cell(key.type)} | {_value(key.default)} | {_cell(_markdown(key.text))} |" for key in keys
    ]
    return ["| key | type | default | meaning |", "|---|---|---|---|", *rows]


def _value(text: str) -> str:
    return text if text in ("none", "required", "see below") else f"`{_cell(text)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def metrics() -> str:
    """Every scorer: what it measures, formula, source, range, parity and cost; then final scores and judges."""
    reached = _parity()
    lines = [NOTE, "# Metrics\n"]
    lines.append(
        "The formulas are the docstrings of the code. Parity is the largest difference from the official code that\n"
        "its tests allow, on the same weights and inputs, and the largest one seen; the tables of\n"
        "[VBench](../../tests/parity/vbench/README.md) and [LPIPS](../../tests/parity/fidelity/README.md) have all\n"
        "intermediate values. Cost is what the networks compute for 33 frames of 480x768 at 8 frames a second.\n"
    )
    for title in GROUPS:
        lines.append(f"## {title}\n")
        for info in SCORERS.own().values():
            if _group(info.name) == title:
                lines += [*_metric(info, reached), ""]
    lines.append("## Final scores\n")
    lines += [f"- `{metric.name}`: {_sentence(metric.summary)}" for metric in COMPOSITES.own().values()]
    lines.append("\n## Judges\n")
    lines += [f"- `{judge.name}`: {_sentence(judge.summary)}" for judge in JUDGES.own().values()]
    return "\n".join(lines) + "\n"


def _group(name: str) -> str:
    return next((title for title, starts in GROUPS.items() if name.startswith(starts)), VBENCH)


def _metric(info: ScorerInfo, reached: Mapping[str, str]) -> Iterator[str]:
    yield f"### {info.name}\n\n{_sentence(info.summary)}\n"
    factory = resolve_name(info.factory)
    text = inspect.getdoc(factory)
    if text and inspect.isclass(factory):
        yield _markdown(text) + "\n"
    low, high = info.range
    span = f"{'−∞' if low is None else f'{low:g}'} to {'∞' if high is None else f'{high:g}'}"
    unit = f" {info.unit}" if info.unit else ""
    yield f"- Range: {span}{unit}; {'higher' if info.higher_is_better else 'lower'} is better."
    yield f"- Source: {_sentence(_markdown(info.source))}"
    if needs := [*_needs(info)]:
        yield f"- Needs: {', '.join(needs)}."
    if info.name in reached:
        yield f"- Parity: {reached[info.name]}."
    if counted(info.name):
        yield f"- Cost: {gflop(info.name, 33, 480, 768, 8.0):,.0f} GFLOP."


def _needs(info: ScorerInfo) -> Iterator[str]:
    if info.needs_reference:
        yield "a reference video"
    if info.needs_prompt:
        yield "the prompt"
    if names := [*info.reads.model_fields]:
        yield f"the prompt's metadata ({', '.join(f'`{name}`' for name in names)})"
    if info.needs_fps:
        yield "the frame rate"
    if info.assets:
        yield f"weights ({', '.join(f'`{name}`' for name in info.assets)})"


def _parity() -> dict[str, str]:
    """Metric -> what is allowed and reached, from the tables that the parity tests' measurements are kept in."""
    found = {}
    for path in PARITY:
        for line in (ROOT / path).read_text(encoding="utf-8").splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if len(cells) == 4 and re.fullmatch(r"\d[\de.+-]*", cells[3]):
                name = cells[0].partition(",")[0]
                allowed = "equal" if float(cells[2].split()[0]) == 0 else f"{cells[2]} allowed, {cells[3]} reached"
                found.setdefault(name, f"{allowed} ({cells[1]}{cells[0].removeprefix(name).replace(',', ';')})")
    return found


def commands() -> str:
    """Every command with its arguments and options, as `--help` shows them."""
    command = get_command(app)
    context = command.make_context("python -m nova_bench", [], resilient_parsing=True)
    text = typer.cli.get_docs_for_click(obj=command, ctx=context, name="python -m nova_bench", title="Commands")
    return NOTE + "\n" + re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE).strip() + "\n"


def _markdown(text: str) -> str:
    """A docstring as Markdown: roles become code, double backquotes single ones, angle brackets entities."""
    text = re.sub(r":\w+:`~?([^`]+)`", lambda found: f"`{found[1].rpartition('.')[2]}`", text)
    text = text.replace("``", "`")
    parts = text.split("`")
    parts[::2] = [part.replace("<", "&lt;").replace("*", "\\*").replace("[", "\\[") for part in parts[::2]]
    return "`".join(parts)


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else text + "."


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
