"""A report is never replaced by one that shows less: what is there may be all that is left."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from nova_bench.core.notices import Notice

PAGE = "index.html"


@dataclass(frozen=True)
class Shown:
    """How many values of single samples and how many pictures of samples a report shows."""

    values: int
    pictures: int


def kept_report(out: Path, new: Shown) -> Notice | None:
    """Says that the report in ``out`` is richer than the ``new`` one and is to be kept; None if it is not."""
    old = _shown_by(out)
    if old.values <= new.values and old.pictures <= new.pictures:
        return None
    return Notice(
        f"the report that was written before is kept, since it shows more ({old.values} values, {old.pictures} "
        f"pictures; the store has {new.values} and {new.pictures}): --out FOLDER writes the new one elsewhere"
    )


def _shown_by(out: Path) -> Shown:
    """What a report that was written shows; nothing if there is none."""
    try:
        page = (out / PAGE).read_text(encoding="utf-8", errors="replace")
        with (out / "samples.csv").open(encoding="utf-8", errors="replace", newline="") as stream:
            values = sum(row.get("status") == "ok" for row in csv.DictReader(stream))
    except (OSError, csv.Error):
        return Shown(0, 0)
    return Shown(values, page.count('"poster":'))
