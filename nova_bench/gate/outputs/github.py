"""What a GitHub workflow shows: the step summary and annotations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO

from nova_bench.core.visible_text import visible
from nova_bench.gate.outputs.markdown import verdict_markdown
from nova_bench.gate.outputs.words import ranked, verdict_sentence
from nova_bench.gate.speed_file import SpeedReport
from nova_bench.gate.verdict_file import VerdictFile, VerdictName

SUMMARY_BYTES = 1024 * 1024
"""GitHub drops a step summary that is larger."""
ANNOTATIONS = 10
"""GitHub shows this many of each level per step and drops the others."""
MESSAGE_LENGTH = 1000
CUT = "\n\nCut here: GitHub shows at most 1 MiB of a step summary. verdict.json has everything.\n"

Level = Literal["error", "warning", "notice"]


@dataclass(frozen=True)
class Annotation:
    """A line at the top of a workflow run."""

    level: Level
    title: str
    message: str

    @property
    def command(self) -> str:
        """The workflow command that makes it."""
        return f"::{self.level} title={_escaped(self.title, ':', ',')}::{_escaped(self.message)}"


def announce(file: VerdictFile, environment: Mapping[str, str], stream: TextIO) -> None:
    """Write annotations to ``stream`` and append the step summary, if ``environment`` is that of a GitHub workflow.

    A summary that can't be written is a warning among the annotations; it doesn't change the verdict.
    """
    if environment.get("GITHUB_ACTIONS") != "true":
        return
    lines = [annotation.command for annotation in annotations_of(file)]
    if path := environment.get("GITHUB_STEP_SUMMARY"):
        try:
            _append(Path(path), verdict_markdown(file))
        except OSError as error:
            message = f"GITHUB_STEP_SUMMARY={path}: {error.strerror or error}"
            lines.append(Annotation("warning", "nova_bench: no step summary", message).command)
    stream.write("".join(f"{line}\n" for line in lines))


def announce_speed(report: SpeedReport, environment: Mapping[str, str], stream: TextIO) -> None:
    """Write one annotation to ``stream`` if ``environment`` is that of a GitHub workflow."""
    if environment.get("GITHUB_ACTIONS") == "true":
        stream.write(f"{_overall(report).command}\n")


def annotations_of(file: VerdictFile) -> list[Annotation]:
    """At most ten of each level; the tenth counts those left out."""
    found = list(_annotations(file))
    kept: list[Annotation] = []
    for level in ("error", "warning", "notice"):
        own = [annotation for annotation in found if annotation.level == level]
        if len(own) > ANNOTATIONS:
            rest = len(own) - ANNOTATIONS + 1
            own[ANNOTATIONS - 1 :] = [Annotation(own[-1].level, own[-1].title, f"{rest} more, in the step summary")]
        kept += own
    return kept


def _annotations(file: VerdictFile) -> Iterator[Annotation]:
    """The whole first, then each metric that decides."""
    overall = _overall(file)
    yield overall
    if file.b.failed or file.b.missing:
        message = f"B: {file.b.failed:,} failed and {file.b.missing:,} missing of {file.b.requested:,} samples"
        yield Annotation("error", overall.title, message)
    for metric in ranked(file.metrics):
        if metric.gating:
            yield Annotation(_level(metric.verdict, file.strict), overall.title, verdict_sentence(metric))


def _overall(file: VerdictFile | SpeedReport) -> Annotation:
    level = "error" if file.exit_code else _level(file.verdict, file.strict)
    return Annotation(level, f"nova_bench: {file.suite}", file.summary)


def _level(verdict: VerdictName, strict: bool) -> Level:
    if verdict in ("not comparable", "inconclusive"):
        return "error" if strict else "warning"
    return "error" if verdict == "regressed" else "notice"


def _append(path: Path, text: str) -> None:
    """Append to the file, cut so that all of it stays below the limit. Raises OSError."""
    used = path.stat().st_size if path.exists() else 0
    room = SUMMARY_BYTES - used - 1
    content = text.encode("utf-8", "replace")
    if len(content) > room:
        end = content.rfind(b"\n", 0, max(0, room - len(CUT.encode())))
        content = content[: max(0, end)] + CUT.encode()
    if len(content) <= room:
        with path.open("ab") as stream:
            stream.write(content)


def _escaped(text: str, *more: str) -> str:
    """Text of a workflow command: line ends and what separates its parts become %XX."""
    text = text if len(text) <= MESSAGE_LENGTH else text[: MESSAGE_LENGTH - 1] + "…"
    for character in ("%", "\r", "\n", *more):
        text = text.replace(character, f"%{ord(character):02X}")
    return visible(text)
