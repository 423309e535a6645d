"""results/gate/checkpoints.*, made by benchmarks/gate_checkpoints.py: what the gate says of real checkpoints."""

from __future__ import annotations

import csv
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results" / "gate"


def rows_of_tables(path: Path) -> list[str]:
    """Rows of a file's tables without padding, rules left out."""
    lines = re.sub(r" +\|", " |", path.read_text(encoding="utf-8")).splitlines()
    return [line for line in lines if line.startswith("| ")]


def test_the_documentation_has_the_tables() -> None:
    shown, found = rows_of_tables(ROOT / "docs" / "gate.md"), rows_of_tables(RESULTS / "checkpoints.md")
    assert len(found) > 20
    assert [row for row in found if row not in shown] == []


def test_known_damage_is_caught_and_other_seeds_are_not() -> None:
    rows = list(csv.DictReader((RESULTS / "checkpoints.csv").open(encoding="utf-8")))
    overall = {(row["comparison"], row["case"]): row["overall"] for row in rows}
    seeds = [verdict for (comparison, _), verdict in overall.items() if comparison == "neighbouring seeds"]
    assert len(seeds) == 20
    assert seeds.count("regressed") <= 1
    assert {overall["damaged", name] for name in ("block noised, strength 1", "text dropped")} == {"regressed"}
    back = [row["verdict"] for row in rows if row["comparison"] == "repaired" and row["gating"] == "True"]
    assert "improved" in back
    assert not {"regressed", "not comparable"} & set(back)
