"""A benchmark's own table: published and measured rows, what may be ranked with what, and what doesn't count."""

from __future__ import annotations

import pytest

from nova_bench.config.loading import load_suite
from nova_bench.config.suite import LeaderboardSpec
from nova_bench.core.errors import SuiteError
from nova_bench.render.dot_plot import DotPlot, Radar
from nova_bench.render.export import render_table
from nova_bench.render.table import Row, Table
from nova_bench.report.categories import categories_table
from nova_bench.report.leaderboard import leaderboard
from nova_bench.report.leaderboard_rows import RankedRun
from nova_bench.report.spread import spread_table
from nova_bench.report.uncounted import uncounted_table
from tests.report.dpg_runs import LATE, NO, YES, Made, dpg_run

TWO = ([YES, NO], [LATE, YES])


def board(samples: int, *runs: tuple[str, Made], radar: bool = False) -> tuple[dict[str, Table], list]:
    spec = load_suite("dpg").leaderboard
    assert isinstance(spec, LeaderboardSpec)
    spec = spec.model_copy(update={"samples": samples, "radar": radar})
    tables, figures = leaderboard(
        spec, [RankedRun(label, run.plan, run.summaries, run.categories) for label, run in runs]
    )
    return {table.id: table for table in tables}, figures


def row(table: Table, model: str, published: bool = False) -> Row:
    [found] = [r for r in table.rows if r.cells["model"].value == model and bool(r.published) == published]
    return found


def values(found: Row) -> list:
    return [found.cells[f"c{index}"].value for index in range(6)]


def test_fourteen_published_rows_with_their_source_and_what_is_known_of_their_settings() -> None:
    tables, _ = board(4260)
    published = tables["leaderboard"].rows
    assert len(published) == 14
    assert {r.published for r in published} == {"arXiv 2412.14169, App. F, Table 3"}
    assert values(row(tables["leaderboard"], "NOVA 0.6B", published=True)) == [82.25, 87.65, 87.65, 85.62, 90.9, 74.8]
    text = render_table(tables["leaderboard"], "text").decode()
    assert text.count("(published)") == 14
    settings = {r.cells["model"].value: r.cells for r in tables["published_settings"].rows}
    assert len(settings) == 14
    assert settings["NOVA 1.4B"]["size"].value == "1024x1024"
    assert {settings["SDXL"][key].value for key in ("size", "steps", "guidance", "scheduler", "seeds")} == {
        "not stated"
    }


def test_best_and_second_best_are_bold_and_underlined() -> None:
    tables, _ = board(4260)
    overall = {r.cells["model"].value: r.cells["c0"] for r in tables["leaderboard"].rows}
    assert [name for name, cell in overall.items() if cell.highlight] == ["Playground v3"]
    assert [name for name, cell in overall.items() if cell.second] == ["SD3"]
    assert "**87.04**" in render_table(tables["leaderboard"], "markdown").decode()
    assert "<ins>84.08</ins>" in render_table(tables["leaderboard"], "markdown").decode()
    assert r"\underline{84.08}" in render_table(tables["leaderboard"], "latex").decode()
    assert 'class="num second published"' in render_table(tables["leaderboard"], "html").decode()


def test_a_whole_run_by_the_published_rules_stands_and_ranks_among_the_published_rows() -> None:
    tables, [dots, _] = board(4, ("Mine", dpg_run(TWO)))
    mine = row(tables["leaderboard"], "Mine")
    assert mine.group == "Measured here"
    assert values(mine)[:4] == pytest.approx([75.0, 100.0, 50.0, 100.0])
    assert mine.cells["c3"].highlight
    assert not mine.cells["c0"].highlight
    assert mine.cells["c0"].ci is not None
    assert [mine.cells[key].value for key in ("items", "questions", "judge", "mode")] == ["2", "6", "mplug", "official"]
    assert isinstance(dots, DotPlot)
    assert [model.published for model in dots.models] == [False] + [True] * 14


def test_corrected_scores_have_a_table_of_their_own_without_published_numbers() -> None:
    tables, [_, dots] = board(4, ("Mine", dpg_run(TWO)))
    corrected = tables["leaderboard_corrected"]
    assert [r.published for r in corrected.rows] == [""]
    assert values(corrected.rows[0])[:4] == pytest.approx([75.0, 100.0, 75.0, 50.0])
    assert not any(model.published for model in dots.models)


def test_another_judge_never_shares_a_column_with_the_published_one() -> None:
    tables, _ = board(4, ("Mine", dpg_run(TWO)), ("Other", dpg_run(TWO, judge="checksum")))
    assert list(tables) == [
        "leaderboard",
        "leaderboard_official_checksum",
        "leaderboard_corrected",
        "leaderboard_corrected_checksum",
        "published_settings",
    ]
    assert [r.cells["model"].value for r in tables["leaderboard"].rows if not r.published] == ["Mine"]
    [other] = tables["leaderboard_official_checksum"].rows
    assert other.cells["judge"].value == "checksum"
    assert not any(cell.highlight or cell.second for cell in other.cells.values())


def test_a_part_of_the_prompts_is_shown_but_not_ranked() -> None:
    failed = dpg_run(([YES, None], [YES, YES]))
    tables, [dots, _] = board(4, ("Part", failed))
    part = row(tables["leaderboard"], "Part")
    assert part.group == "Measured here on a part, not ranked"
    assert not any(cell.highlight or cell.second for cell in part.cells.values())
    assert part.cells["items"].value == "1 of 2"
    assert part.cells["questions"].value == "3 of 6"
    assert part.cells["c0"].n_failed == 1
    assert dots.models[0].label == "Part (1 of 2 prompts)"
    # Fewer samples than the whole benchmark has, none of them failed: a run with --limit.
    tables, _ = board(4260, ("Few", dpg_run(TWO)))
    assert row(tables["leaderboard"], "Few").group == "Measured here on a part, not ranked"


def test_several_runs_share_a_table_and_are_ranked_together() -> None:
    best = dpg_run(([YES, YES], [YES, YES]))
    tables, figures = board(4, ("Mine", dpg_run(TWO)), ("Best", best), radar=True)
    assert row(tables["leaderboard"], "Best").cells["c0"].highlight
    assert not row(tables["leaderboard"], "Best").cells["c0"].ci
    assert not row(tables["leaderboard"], "Mine").cells["c0"].highlight
    corrected = tables["leaderboard_corrected"]
    assert [r.cells["c0"].highlight for r in corrected.rows] == [False, True]
    assert [r.cells["c0"].second for r in corrected.rows] == [True, False]
    assert [type(figure) for figure in figures] == [DotPlot, Radar] * 2


def test_rows_with_too_few_numbers_and_modes_that_no_column_has_are_refused(write_suite) -> None:
    short = {"title": "T", "columns": {"A": "brightness", "B": "roughness"}}
    rows = {"source": "S", "rows": [{"label": "X", "values": [1.0]}]}
    with pytest.raises(SuiteError, match="row 'X' has 1 numbers for 2 columns"):
        load_suite(write_suite(leaderboard={**short, "published": rows}))
    with pytest.raises(SuiteError, match="modes"):
        load_suite(write_suite(leaderboard={**short, "modes": {"m": "roughness"}}))


def test_categories_as_each_mode_counts_them() -> None:
    run = dpg_run(TWO, dpg_official=[1, 2])
    table = categories_table(run.categories, run.plan.suite.statistics)
    assert table is not None
    cells = {r.cells["category"].value: r.cells for r in table.rows}
    assert list(cells) == ["attribute - color", "entity - whole", "global"]
    # The official script doesn't know the first prompt's first question, and counts last images before zeroing.
    assert [cells["entity - whole"][key].value for key in ("m0", "q0")] == [1.0, "1 of 2"]
    assert [cells["entity - whole"][key].value for key in ("m1", "q1")] == [0.75, "2"]
    assert [cells["attribute - color"][key].value for key in ("m0", "m1")] == [1.0, 0.5]


def test_the_spread_between_the_images_of_a_prompt() -> None:
    run = dpg_run(TWO)
    table = spread_table(run.summaries[:1])
    assert table is not None
    assert [r.cells["m0"].value for r in table.rows] == pytest.approx([83.333333, 66.666667, 11.785113])
    assert spread_table(dpg_run(([YES], [NO])).summaries) is None


def test_prompts_that_are_dropped_failed_or_counted_twice_are_named() -> None:
    run = dpg_run(([YES, NO], [YES, None]), dpg_faults=["line 3: is wrong"], dpg_official=[])
    table = uncounted_table(run.summaries)
    assert table is not None
    lines = [tuple(cell.value for cell in r.cells.values()) for r in table.rows]
    known = "the official script drops the item: it doesn't know the item, whose only question is the file's first row"
    assert ("item0", "dpg_bench", "not at all", known) in lines
    assert ("item0", "dpg_bench_corrected", "not at all", "line 3: is wrong") in lines
    assert ("item1", "dpg_bench_corrected", "1 of 2 samples", "the judge died") in lines
    assert uncounted_table(dpg_run(TWO).summaries) is None
    twice = dpg_run(([YES, NO], [YES, YES, NO, NO], [NO, NO]))
    table = uncounted_table(twice.summaries)
    assert table is not None
    assert [tuple(cell.value for cell in r.cells.values()) for r in table.rows] == [
        ("item1", "dpg_bench, dpg_bench_corrected", "2 times", "4 samples instead of 2: item1.png")
    ]
