"""The table model and the three rules that every exporter inherits from the layout."""

import csv
import io
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_bench.core.errors import UserError
from nova_bench.render.csv_json import csv_table
from nova_bench.render.grid import DASH, NO_REASON, clean_text, format_number, layout
from nova_bench.render.table import NOT_A_NUMBER, Cell, Column, Row, Table, metric_columns

SOURCE = "arXiv 2412.14169, Appendix E"


def one_cell(cell: Cell, **column) -> Table:
    return Table("t", "T", (Column("name", "Name", "label"), Column("v", "V", **column)), [Row({"v": cell})])


def shown_cell(cell: Cell, **column):
    return layout(one_cell(cell, **column)).rows[0][1][1]


texts = st.text(max_size=30)
numbers = st.floats(allow_nan=False)
counts = st.none() | st.integers(0, 10)
cells = st.builds(
    Cell,
    value=st.none() | st.booleans() | st.integers(-(10**12), 10**12) | numbers | texts,
    ci=st.none() | st.tuples(numbers, numbers),
    n_requested=st.none() | st.integers(30, 60),
    n_ok=counts,
    n_failed=counts,
    n_skipped=counts,
    note=texts,
    highlight=st.booleans(),
    digits=st.none() | st.integers(0, 9),
    unit=st.none() | texts,
    scale=st.none() | st.sampled_from([1.0, 100.0]),
    higher_is_better=st.none() | st.booleans(),
    source=texts,
)
tables = st.builds(
    lambda title, caption, rows, notes: Table(
        "any",
        title,
        (Column("name", title, "label"), Column("v", "Value", unit="%"), Column("p", "NOVA", "published", source="S")),
        [Row({"name": Cell(name), "v": value, "p": other}, group) for name, value, other, group in rows],
        caption,
        notes,
    ),
    texts,
    texts,
    st.lists(st.tuples(texts, cells, cells, st.none() | texts), max_size=4),
    st.lists(texts, max_size=2),
)


@given(tables)
@settings(max_examples=150, deadline=None)
def test_json_gives_an_equal_table_back(table):
    text = table.to_json()
    again = Table.from_json(text.encode())
    assert again == table
    kinds = [type(row.cells["v"].value) for row in table.rows]
    assert [type(row.cells["v"].value) for row in again.rows] == kinds
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": "other"}', '{"schema": "nova_bench.table/1", "id": "x"}'])
def test_json_that_is_no_table_is_refused(text):
    with pytest.raises(UserError, match="not a nova_bench table"):
        Table.from_json(text)


def test_missing_value_is_a_dash_with_its_reason_and_never_a_number():
    note = "not computed: needs raft-things.pth (nova_bench assets fetch raft-things)"
    grid = layout(one_cell(Cell(None, ci=(0.1, 0.2), note=note)))
    cell = grid.rows[0][1][1]
    assert (cell.text, cell.missing, cell.sort, cell.extra) == (DASH, True, None, "")
    assert grid.footnotes == ((cell.marks[0], note),)


def test_missing_value_without_a_reason_says_so():
    grid = layout(one_cell(Cell(None)))
    assert grid.footnotes == (("a", NO_REASON),)


def test_nan_is_missing_and_infinity_is_shown():
    assert Cell(math.nan).value is None
    assert Cell(np.float32("nan")).note == NOT_A_NUMBER
    assert Cell(1.0, ci=(math.nan, 2.0)).ci is None
    assert shown_cell(Cell(math.inf)).text == "∞"
    assert shown_cell(Cell(-math.inf)).text == "-∞"


def test_published_column_is_labelled_in_header_and_footnote():
    grid = layout(
        Table("t", "T", (Column("p", "NOVA 0.6B", "published", source=SOURCE),), [Row({"p": Cell(80.1, digits=1)})])
    )
    heading = grid.columns[0]
    assert heading.title == "Published: NOVA 0.6B"
    assert heading.published
    assert dict(grid.footnotes)[heading.marks[0]] == f"Published, not measured here: {SOURCE}"


def test_published_number_in_a_measured_column_is_labelled_where_it_stands():
    grid = layout(one_cell(Cell(80.1, published=True, source=SOURCE)))
    cell = grid.rows[0][1][1]
    assert cell.extra == "published"
    assert SOURCE in dict(grid.footnotes)[cell.marks[0]]


def test_a_row_of_published_numbers_is_labelled_once_and_has_its_source_everywhere():
    columns = (Column("name", "Name", "label"), Column("a", "A"), Column("b", "B"))
    cells = {"name": Cell("SDXL"), "a": Cell(1.0, highlight=True), "b": Cell(2.0, second=True)}
    table = Table("t", "T", columns, [Row(cells, published=SOURCE), Row({"name": Cell("mine"), "a": Cell(3.0)})])
    (_, (label, first, second)), (_, (other, *_)) = layout(table).rows
    assert (label.extra, label.marks) == ("published", ("a",))
    assert (first.extra, first.strong, first.published) == ("", True, True)
    assert (second.underlined, second.published) == (True, True)
    assert not other.published
    assert layout(table).footnotes == (("a", f"Published, not measured here: {SOURCE}"),)
    assert Table.from_json(table.to_json()) == table
    lines = list(csv.DictReader(io.StringIO(csv_table(table))))
    assert [(line["kind"], line["source"]) for line in lines] == [("published", SOURCE)] * 2 + [("measured", "")]
    with pytest.raises(ValueError, match="need a label to mark"):
        Table("t", "T", (Column("a", "A"),), [Row({"a": Cell(1.0)}, published=SOURCE)])


def test_published_number_without_source_is_refused():
    with pytest.raises(ValueError, match="source"):
        Column("p", "NOVA", "published")
    with pytest.raises(ValueError, match="source"):
        one_cell(Cell(1.0, published=True))


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ({"n_requested": 50, "n_ok": 50}, ""),
        ({"n_requested": 50, "n_ok": 47, "n_failed": 2, "n_skipped": 1}, "47/50 ok, 2 failed, 1 skipped"),
        ({"n_requested": 50, "n_ok": 40}, "40/50 ok, 10 not run"),
        ({}, ""),
    ],
)
def test_counts_stand_beside_a_mean_whenever_not_all_are_ok(counts, text):
    assert shown_cell(Cell(0.5, **counts)).extra == text


def test_metric_layout_reads_every_aspect_from_one_cell():
    cell = Cell(0.9612, (0.95, 0.97), 50, 48, 2, unit="%", scale=100, digits=1, higher_is_better=True)
    table = Table(
        "t",
        "T",
        metric_columns(published={"nova": ("NOVA 0.6B", SOURCE)}),
        [Row({"metric": Cell("subject_consistency"), "value": cell, "nova": Cell(92.1, digits=1)})],
    )
    grid = layout(table)
    texts = [c.text for c in grid.rows[0][1]]
    assert texts == ["subject_consistency", "↑", "96.1", "[95.0, 97.0]", "48/50 ok, 2 failed", "%", "92.1"]
    assert grid.rows[0][1][2].extra == ""  # said once, in its own columns


@pytest.mark.parametrize(("unit", "heading"), [("", False), ("dB", True)])
def test_units_have_a_column_if_there_are_any(unit, heading):
    table = Table("t", "T", metric_columns(), [Row({"metric": Cell("a"), "value": Cell(1.0, unit=unit)})])
    assert ("Unit" in [column.title for column in layout(table).columns]) == heading
    assert csv_table(table)


def test_cell_overrides_unit_and_digits_of_its_column():
    assert shown_cell(Cell(0.5, digits=1, unit="dB"), unit="s", digits=3).text == "0.5 dB"
    assert shown_cell(Cell(0.5), digits=3).text == "0.500"


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(0.00001, 4, "1.0e-05"), (0.0, 2, "0.00"), (-0.0, 2, "0.00"), (-1e-9, 2, "-1.0e-09"), (1e12, 1, "1.0e+12")],
)
def test_number_format_never_turns_something_into_zero(value, digits, text):
    assert format_number(value, digits) == text


@pytest.mark.parametrize("bad", [{"n_requested": 3, "n_ok": 4}, {"n_requested": 3, "n_ok": -1}])
def test_impossible_counts_are_refused(bad):
    with pytest.raises(ValueError, match="impossible"):
        Cell(1.0, **bad)


def test_structure_mistakes_are_refused():
    with pytest.raises(ValueError, match="unknown columns"):
        Table("t", "T", (Column("a", "A"),), [Row({"b": Cell(1.0)})])
    with pytest.raises(ValueError, match="distinct"):
        Table("t", "T", (Column("a", "A"), Column("a", "B")))
    with pytest.raises(ValueError, match="unknown column 'b'"):
        Table("t", "T", (Column("a", "A"), Column("i", "CI", "interval", of="b")))
    with pytest.raises(TypeError, match="list"):
        Cell([1.0])


@given(texts)
def test_cleaned_text_is_one_printable_line(text):
    cleaned = clean_text(text)
    assert len(cleaned.splitlines()) <= 1
    assert "\x1b" not in cleaned
    cleaned.encode()
