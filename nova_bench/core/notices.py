"""What a user should know about a run that isn't a failure: entries left out, prompts cut, frames dropped."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from nova_bench.core.messages import shorten
from nova_bench.core.visible_text import visible

NAMED = 3
"""Number of names in a line; `notices.csv` lists all of them."""
COLUMNS = ("part", "notice", "concerns", "samples")


@dataclass(frozen=True)
class Notice:
    """One notice.

    If ``samples`` is 0, ``text`` is a whole line about the run, and ``names`` are the files or prompts it mentions.
    Otherwise ``text`` applies to that many samples, and their ``names`` follow. ``part`` names the part of a study or
    collection, ``said`` is what the terminal showed if the report shortens its paths.
    """

    text: str
    names: tuple[str, ...] = ()
    samples: int = 0
    part: str = ""
    said: str = ""

    @property
    def line(self) -> str:
        """A line for people: the text and the first few samples that it applies to."""
        before = f"{self.part}: " if self.part else ""
        after = f": {self.samples} sample{'s' if self.samples > 1 else ''} ({listed(self.names)})"
        return f"{before}{self.text}{after if self.samples else ''}"


def unheard(text: str, names: Sequence[str] = (), asked: bool = False) -> None:
    """Discard a notice: for code that goes through a plan a second time."""


def listed(names: Sequence[str]) -> str:
    """The first few names, and a sign if there are more."""
    return ", ".join(map(shorten, names[:NAMED])) + (", ..." if len(names) > NAMED else "")


def of_samples(texts: Mapping[str, Sequence[str]]) -> list[Notice]:
    """Notices about single samples, from text -> names of the samples it applies to; the most frequent first."""
    notices = (Notice(text, tuple(names), len(names)) for text, names in texts.items())
    return sorted(notices, key=lambda notice: -notice.samples)


def labelled(notices: Mapping[str, Iterable[Notice]]) -> list[Notice]:
    """Notices of several runs, from label -> notices: equal ones are merged, with all their labels in front."""
    labels: dict[Notice, list[str]] = {}
    for label, found in notices.items():
        for notice in found:
            labels.setdefault(notice, []).append(label)
    return [replace(notice, part=", ".join([*names, *filter(None, [notice.part])])) for notice, names in labels.items()]


def notices_csv(notices: Iterable[Notice]) -> str:
    """A line for each name in a notice; one line for a notice without names."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for notice in notices:
        for name in notice.names or ("",):
            writer.writerow([notice.part, notice.text, name, notice.samples or ""])
    return visible(stream.getvalue())
