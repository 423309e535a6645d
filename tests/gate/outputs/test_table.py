"""The table of verdicts, as every format shows it."""

from __future__ import annotations

import pytest

from nova_bench.gate.outputs.table import card_table, drift_table, looks_table, verdict_table
from nova_bench.render.export import FORMATS, render_table
from nova_bench.render.table import Table
from nova_bench.render.terminal import plain_text
from tests.gate.outputs.files import hostile, metric, ordinary, verdict_file


def names(table: Table) -> list[object]:
    return [row.cells["metric"].value for row in table.rows]


def test_metrics_that_decide_come_first_and_the_worst_before_the_others() -> None:
    assert names(verdict_table(ordinary())) == [
        "shapes/color",
        "psnr",
        "shapes/count",
        "shapes/motion",
        "shapes/all (composite)",
        "dynamic_degree_dis",
    ]
    small, large = metric("small", "regressed"), metric("large", "regressed", difference=-0.055)
    assert names(verdict_table(verdict_file(small, large))) == ["large", "small"]  # the larger loss first
    sure, unsure = metric("sure", difference=-0.004, low=-0.005), metric("unsure", difference=0.0, low=-0.019)
    assert names(verdict_table(verdict_file(sure, unsure))) == ["unsure", "sure"]  # the one closer to its margin
    wide = metric("wide", low=-1.0, margin=10.0)
    assert names(verdict_table(verdict_file(wide, unsure))) == ["unsure", "wide"]  # in margins, whatever the unit


def test_a_terminal_shows_every_number_and_why_one_is_missing() -> None:
    text = plain_text(verdict_table(ordinary()))
    (line,) = (line for line in text.splitlines() if line.startswith("shapes/color "))
    assert line.split() == [
        *("shapes/color", "✕", "regressed", "↑", "0.9100", "0.8690", "-0.0410", "[-0.0620,", "-0.0200]"),
        *("0.0200", "0.0100", "0.0210"),
    ]
    assert "[a] fps: 8 in A, 12 in B" in text
    assert "worse, within the margin" in text
    assert text.index("Information: decides nothing") < text.index("dynamic_degree_dis")


def test_p_of_a_metric_that_decides_is_the_familys() -> None:
    table = verdict_table(verdict_file(metric("a"), metric("b", gating=False)))
    assert [row.cells["p"].value for row in table.rows] == [0.021, 0.004]


def test_p_says_whether_it_is_exact() -> None:
    drawn, exact = (verdict_table(verdict_file(metric("a", p_error=error))).notes[0] for error in (0.001, 0.0))
    assert drawn.endswith("p: 9,999 sign flips, seed 0.")
    assert exact.endswith("p: all sign flips.")


def test_groups_and_units_and_noise_are_shown_only_if_there_are_any() -> None:
    table = verdict_table(verdict_file(metric("a")))
    assert {row.group for row in table.rows} == {None}
    assert {"unit", "noise"}.isdisjoint(column.key for column in table.columns)


def test_what_matters_of_the_protocol_cards_comes_first() -> None:
    effects = [str(row.cells["effect"].value) for row in card_table(ordinary()).rows]
    assert effects == [
        "not comparable; --accept fps compares anyway",
        "accepted with --accept precision",
        "listed only",
        "unknown, so not checked",
    ]


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_survives_foreign_text(format: str) -> None:
    file = hostile()
    assert file.drift is not None
    for table in (verdict_table(file), card_table(file), looks_table(file), drift_table(file.drift, file.rule)):
        text = render_table(table, format).decode()
        if format != "ansi":
            assert not {"\x1b", "\x00", "\u202e"} & set(text)
        assert "<script>" not in text or format != "html"
