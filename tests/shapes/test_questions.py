"""Questions have DPG-Bench's form, hang together, and the judge answers them as the scene does."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_bench.core.errors import UserError
from nova_bench.shapes import ShapesWorld
from nova_bench.shapes.judge import see
from nova_bench.shapes.questions import COLUMNS, answer, questions, write_rows

CATEGORIES = {
    ("entity", "whole"),
    ("entity", "state"),
    ("attribute", "color"),
    ("attribute", "size"),
    ("attribute", "other"),
    ("relation", "spatial"),
    ("other", "count"),
    ("global", ""),
}


@settings(max_examples=60, deadline=None)
@given(index=st.integers(0, 10**6 - 1))
def test_form(index: int) -> None:
    text = ShapesWorld("test")[index].dense_caption
    rows = questions("item", text)
    assert [row["proposition_id"] for row in rows] == [str(number + 1) for number in range(len(rows))]
    assert len({row["tuple"] for row in rows}) == len(rows)
    assert len({row["question_natural_language"] for row in rows}) == len(rows)
    for number, row in enumerate(rows, 1):
        assert tuple(row) == COLUMNS
        assert (row["category_broad"], row["category_detailed"]) in CATEGORIES
        # As the official script reads them: the category before the bracket, then before the dash.
        assert row["tuple"].split("(")[0].strip() == f"{row['category_broad']} - {row['category_detailed']}".strip()
        parents = [int(parent) for parent in re.split(r",\s*", row["dependency"])]
        assert all(parent < number for parent in parents)
        for parent in parents:
            if parent:
                name = rows[parent - 1]["tuple"].split("(")[1].split(",")[0].rstrip(")")
                assert name in row["tuple"]


def test_answers() -> None:
    """On true videos every answer is yes; on the next video those answers are no that differ."""
    differing = 0
    for split in ("val", "test"):
        world = ShapesWorld(split, seed=4)
        for index in range(25):
            seen = see(world[index].frames)
            assert all(answer(row["tuple"], seen) for row in questions("x", world[index].dense_caption))
            true = {row["tuple"] for row in questions("x", world[index].dense_caption)}
            names = {name for name in true if name.startswith("entity - whole")}
            others = {row["tuple"] for row in questions("x", world[index + 1].dense_caption)}
            if len(names) == 1 and not names & others and len(world[index].scene.objects) == 1:
                # Another shape altogether: nothing about it holds.
                about = [name for name in others if not name.startswith("global")]
                assert not any(answer(name, seen) for name in about)
                differing += 1
    assert differing > 5


def test_file(tmp_path: Path) -> None:
    named = [(f"shapes-{index:06}", ShapesWorld("test")[index].dense_caption) for index in range(5)]
    write_rows(named, tmp_path / "questions.csv")
    with (tmp_path / "questions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == COLUMNS
    assert sorted({row["item_id"] for row in rows}) == [f"shapes-{index:06}" for index in range(5)]
    assert [row for row in rows if row["item_id"] == "shapes-000003"] == questions("shapes-000003", rows_text(rows, 3))


def rows_text(rows: list[dict[str, str]], index: int) -> str:
    return next(row["text"] for row in rows if row["item_id"] == f"shapes-{index:06}")


def test_what_can_not_be_asked() -> None:
    with pytest.raises(UserError, match="two objects of one shape"):
        questions("x", "a red circle and a blue circle")
    seen = see(ShapesWorld()[0].frames)
    for wrong in ("nonsense", "attribute - texture (circle, rough)", "entity - whole (dog)"):
        with pytest.raises(ValueError, match=r"tuple|category|not a shape"):
            answer(wrong, seen)
