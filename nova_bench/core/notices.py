"""What a user must know of a run that is no failure: entries left out, prompts cut, frames dropped."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from nova_bench.core.messages import shorten
from nova_bench.core.visible_text import visible

NAMED = 3
"""Names that a line shows; `notices.csv` has all of them."""
COLUMNS = ("part", "notice", "concerns", "samples")


@dataclass(frozen=True)
class Notice:
    """One thing to know.

    ``text`` is a whole line if ``samples`` is 0: the run as such is concerned, and ``names`` are what it speaks of
    (files, prompts). Otherwise ``text`` is true of that many samples, whose ``names`` follow it. ``part`` says which
    part of a study or collection is concerned, ``said`` how the terminal put it if the report shortens its paths.
    """

    text: str
    names: tuple[str, ...] = ()
    samples: int = 0
    part: str = ""
    said: str = ""

    @property
    def line(self) -> str:
        """For people: the text, and of the samples it is true of the first few."""
        before = f"{self.part}: " if self.part else ""
        after = f": {self.samples} sample{'s' if self.samples > 1 else ''} ({listed(self.names)})"
        return f"{before}{self.text}{after if self.samples else ''}"


def unheard(text: str, names: Sequence[str] = (), asked: bool = False) -> None:
    """Takes a notice that nobody is to hear, for whoever works through a plan once more."""


def listed(names: Sequence[str]) -> str:
    """The first few names, and a sign that there are more."""
    return ", ".join(map(shorten, names[:NAMED])) + (", ..." if len(names) > NAMED else "")


def of_samples(texts: Mapping[str, Sequence[str]]) -> list[Notice]:
    """Notices of single samples, from text -> names of the samples it is true of; the most frequent first."""
    notices = (Notice(text, tuple(names), len(names)) for text, names in texts.items())
    return sorted(notices, key=lambda notice: -notice.samples)


def labelled(notices: Mapping[str, Iterable[Notice]]) -> list[Notice]:
    """Notices of several runs, from label -> notices: equal ones are one, with all their labels in front."""
    labels: dict[Notice, list[str]] = {}
    for label, found in notices.items():
        for notice in found:
            labels.setdefault(notice, []).append(label)
    return [replace(notice, part=", ".join([*names, *filter(None, [notice.part])])) for notice, names in labels.items()]


def notices_csv(notices: Iterable[Notice]) -> str:
    """A line for each thing that a notice concerns, one alone for a notice that names none."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for notice in notices:
        for name in notice.names or ("",):
            writer.writerow([notice.part, notice.text, name, notice.samples or ""])
    return visible(stream.getvalue())
