"""The file of DPG-Bench's questions: every fault with its line, and what the official script reads of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from nova_bench.core.errors import UserError
from nova_bench.protocols.dpg.question_file import read_questions

VECTORS = Path(__file__).parent / "vectors"
HEADER = (
    "item_id,text,keywords,proposition_id,dependency,category_broad,category_detailed,tuple,question_natural_language\n"
)


def test_every_fault_of_the_file_with_its_line() -> None:
    file = read_questions(VECTORS / "questions.csv")
    found = {(fault.line, fault.item) for fault in file.faults}
    lines = (VECTORS / "questions.csv").read_text(encoding="utf-8").splitlines()
    assert all(item in lines[line - 1] for line, item in found)
    assert {item for _, item in found} == {
        *("missing_parent", "maybe_missing", "maybe_missing2", "dup_qid", "split_item", "cats", "self"),
    }


ROW = "x,a prompt,,{},{},entity,whole,entity - whole (cat),Is there a cat?\n"


@pytest.mark.parametrize(
    ("rows", "faults"),
    [
        (ROW.format(1, 0), []),
        (ROW.format("one", 0), ["line 2: item 'x': proposition_id is 'one', expected a whole number"]),
        (ROW.format(1, "0; 1"), ["line 2: item 'x': dependency is '0; 1', expected whole numbers with commas"]),
        (ROW.format(1, '""'), ["line 2: item 'x': the column dependency is empty"]),
        (
            ROW.format(1, 2) + ROW.format(2, 1),
            ["line 2: item 'x': questions depend on one another: 1 -> 2 -> 1"],
        ),
        (ROW.format(1, 0) + ROW.format(1, 0), ["line 3: item 'x': proposition 1 is on line 2 too"]),
        (
            ROW.format(1, 0).replace("entity - whole (cat)", '"style\n (cat)"') + ROW.format(2, 7),
            [
                "line 2: item 'x': 'style' is no category of DPG-Bench",
                "line 4: item 'x': depends on proposition 7, which isn't there",
            ],
        ),
    ],
)
def test_faults_in_words(rows: str, faults: list[str], tmp_path: Path) -> None:
    path = tmp_path / "questions.csv"
    path.write_text(HEADER + rows + "y,another,,1,0,entity,whole,entity - whole (dog),Is there a dog?\n")
    assert [str(fault) for fault in read_questions(path).faults] == faults


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"item_id,text\n1,2\n", "lacks the columns proposition_id, dependency, tuple, question_natural_language"),
        (HEADER.encode(), "contains no question"),
        (b"\xff\xfe\x00", "can't be read as UTF-8 text"),
    ],
)
def test_only_an_unreadable_file_is_refused(content: bytes, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "questions.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=problem):
        read_questions(path)
