"""A report is never replaced by one that shows less: it may be all that is left of a run."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nova_bench.core.notices import Notice

if TYPE_CHECKING:
    from nova_bench.render.html.report import Report

PAGE = "index.html"
_VALUES = re.compile(r'<meta name="nova-bench-values" content="(\d+)">')


@dataclass(frozen=True)
class Shown:
    """Counts of a report's measured values, and of the previews, videos and images on its page."""

    values: int = 0
    previews: int = 0
    media: int = 0

    def lacks(self, other: Shown) -> bool:
        """Whether ``other`` has more of anything."""
        return other.values > self.values or other.previews > self.previews or other.media > self.media

    def __str__(self) -> str:
        return f"{self.values} values, {self.previews} previews, {self.media} videos or images"


def kept_report(out: Path, new: Report, run: str) -> Notice | None:
    """Return a notice that the report in ``out`` is richer than the ``new`` one and is kept; None if it is not.

    ``run`` is the run's name. Every kind of experiment calls this before it writes anything.
    """
    before, now = _shown_by(out), _shown_in(new)
    if not now.lacks(before):
        return None
    place = f"{out.parent.name}/{out.name}"
    return Notice(
        f"the earlier report is kept in {place}, since it shows more ({before}; the new one: {now}): "
        f"`report {run} --out FOLDER` writes the new one elsewhere; delete {place} to replace it"
    )


def _shown_in(report: Report) -> Shown:
    """What an unwritten report can show, including what its page has no room for."""
    items = report.gallery
    files = [file for item in items for file in (item.media, item.reference) if file is not None]
    posters = [item.poster for item in items] + [image.poster for tree in report.trees for image in tree.images]
    return Shown(report.values, sum(poster is not None for poster in posters), len(files))


def _shown_by(out: Path) -> Shown:
    """What a written report shows; nothing if there is none."""
    try:
        page = (out / PAGE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return Shown()
    stated = _VALUES.search(page)
    values = int(stated[1]) if stated else _values_of_samples(out)
    return Shown(values, page.count('"poster":'), page.count('"blob":'))


def _values_of_samples(out: Path) -> int:
    """Count the values of an old report, whose page doesn't state the number."""
    try:
        with (out / "samples.csv").open(encoding="utf-8", errors="replace", newline="") as stream:
            return sum(row.get("status") == "ok" for row in csv.DictReader(stream))
    except (OSError, csv.Error):
        return 0
