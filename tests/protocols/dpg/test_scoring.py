"""DPG-Bench's scores equal those of the official script, run with a judge whose answers depend on pixels alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import hypothesis.strategies as st
import pytest
from hypothesis import given
from PIL import Image

from nova_bench.core.errors import UserError
from nova_bench.protocols.dpg.questions import Item, Question, corrected_items, official_items, read_questions
from nova_bench.protocols.dpg.scoring import (
    MissingParent,
    ScoredItem,
    TileAnswers,
    corrected_tile,
    corrected_totals,
    official_tile,
    official_totals,
)

VECTORS = Path(__file__).parent / "vectors"
OFFICIAL = json.loads((VECTORS / "official.json").read_text(encoding="utf-8"))
HEADER = (
    "item_id,text,keywords,proposition_id,dependency,category_broad,category_detailed,tuple,question_natural_language\n"
)


def tiles_of(file: str, count: int, side: int) -> Iterator[bytes]:
    with Image.open(VECTORS / "grids" / file) as grid:
        for top, left in ((0, 0), (0, side), (side, 0), (side, side))[:count]:
            yield grid.crop((left, top, left + side, top + side)).convert("RGB").tobytes()


def answer(tile: bytes, question: str) -> str:
    answers = OFFICIAL["stub"]["answers"]
    return answers[crc32(tile + question.encode()) % len(answers)]


@pytest.mark.parametrize("run", OFFICIAL["runs"], ids=lambda run: f"{run['pic_num']} tiles")
def test_official_totals(run: dict) -> None:
    items = official_items(read_questions(VECTORS / "questions.csv").questions)
    scored, failed = {}, {}
    for file in sorted(path.name for path in (VECTORS / "grids").iterdir()):
        item = items.get(file.split(".")[0])
        if item is None:
            failed[file] = "no such item"
            continue
        try:
            tiles = [
                official_tile(item, {number: answer(tile, question.text) for number, question in item.items()})
                for tile in tiles_of(file, run["pic_num"], run["resolution"])
            ]
        except MissingParent as error:
            failed[file] = str(error.parent)
            continue
        scored[file] = ScoredItem(item, tiles)
    assert set(failed) == {name for name in run["failed"] if not name.startswith("<")}
    assert all(run["failed"][name] == reason for name, reason in failed.items() if reason != "no such item")
    for file, official in run["items"].items():
        assert [tile.score for tile in scored[file].tiles] == pytest.approx(official["tile_scores"], abs=1e-12)
        assert scored[file].score == pytest.approx(official["item_score"], abs=1e-12)
        last = {str(number): float(yes) for number, yes in scored[file].tiles[-1].yes.items()}
        assert last == official["raw_last_tile"]
    totals = official_totals(list(scored.values()))
    assert totals.overall == pytest.approx(run["overall"], abs=1e-9)
    assert totals.groups == pytest.approx(run["l1"], abs=1e-9)
    assert totals.categories == pytest.approx(run["l2"], abs=1e-9)
    assert totals.items == run["n_items_scored"]


def test_every_fault_of_the_file_with_its_line() -> None:
    file = read_questions(VECTORS / "questions.csv")
    found = {(fault.line, fault.item) for fault in file.faults}
    lines = (VECTORS / "questions.csv").read_text(encoding="utf-8").splitlines()
    assert all(item in lines[line - 1] for line, item in found)
    assert {item for _, item in found} == {
        *("missing_parent", "maybe_missing", "maybe_missing2", "dup_qid", "split_item", "cats", "self"),
    }
    assert set(corrected_items(file)) == {question.item for question in file.questions} - {item for _, item in found}


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


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Item, dict[int, str]]:
    """An item without a circle, its questions in any order, and answers."""
    count = draw(st.integers(1, 7))
    names = draw(st.permutations(range(1, count + 1)))
    parents = {
        name: tuple(draw(st.lists(st.sampled_from(names[:place]), max_size=3, unique=True))) if place else (0,)
        for place, name in enumerate(names)
    }
    order = draw(st.permutations(names))
    item = {name: Question(0, "x", "", name, parents[name] or (0,), "entity - whole", "") for name in order}
    return item, {name: draw(st.sampled_from(["yes", "no", "Yes", ""])) for name in names}


@given(graphs())
def test_corrected_a_question_counts_if_it_and_all_above_it_are_answered_yes(
    drawn: tuple[Item, dict[int, str]],
) -> None:
    item, answers = drawn

    def expected(number: int) -> bool:
        above = [parent for parent in item[number].parents if parent != 0]
        return answers[number] == "yes" and all(expected(parent) for parent in above)

    tile = corrected_tile(item, answers)
    assert {number: tile.counts(number) for number in item} == {number: expected(number) for number in item}


def test_corrected_totals_count_every_image() -> None:
    cat, red = (
        Question(2, "x", "", 1, (0,), "entity - whole", ""),
        Question(3, "x", "", 2, (1,), "attribute - color", ""),
    )
    item = {1: cat, 2: red}
    tiles = [TileAnswers({1: True, 2: True}, {}), TileAnswers({1: False, 2: True}, {2: 1})]
    totals = corrected_totals([ScoredItem(item, tiles)])
    assert (totals.overall, totals.groups) == (50.0, {"attribute": 50.0, "entity": 50.0})
    assert official_totals([ScoredItem(item, tiles)]).groups == {"attribute": 100.0, "entity": 0.0}
    with pytest.raises(ValueError, match="no item"):
        official_totals([])
