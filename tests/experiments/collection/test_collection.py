"""Collections through the command line: several suites, one page."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from nova_bench.core.errors import SuiteError
from nova_bench.experiments.base import Request
from nova_bench.experiments.collection.load import load_collection

ROOT = Path(__file__).parents[3]


@pytest.fixture
def collection(tmp_path: Path, write_suite: Callable[..., Path]) -> Path:
    """Two ways to run one suite, and a part that can't be run."""
    write_suite("smoke.yaml")
    parts = [
        {"title": "A. All <of> it", "suite": "smoke.yaml"},
        {"title": "B. Less", "suite": "smoke.yaml", "set": {"scorers": ["brightness"]}, "limit": 2},
        {"title": "C. Nothing", "suite": "smoke.yaml", "set": {"scorers": ["brightnes"]}},
    ]
    path = tmp_path / "both.yaml"
    path.write_text(yaml.safe_dump({"kind": "collection", "name": "both", "title": "Both", "parts": parts}))
    return path


def test_parts_are_run_in_turn_and_shown_on_one_page(cli, collection: Path, tmp_path: Path) -> None:
    result = cli("run", collection)
    assert result.returncode == 3, result.stderr
    assert "incomplete: C. Nothing: not computed" in result.stderr
    assert "did you mean 'brightness'" in result.stderr
    page = Path(result.stdout.splitlines()[-1].removeprefix("report: "))
    text = (tmp_path / page).read_text()
    assert text.lstrip().startswith("<!doctype html>")
    assert text.index("A. All &lt;of&gt; it</h2>") < text.index("B. Less</h2>") < text.index("C. Nothing</h2>")
    folder = (tmp_path / page).parent / "tables"
    alone = json.loads((folder / "a-all-of-it" / "metrics.json").read_text())
    less = json.loads((folder / "b-less" / "metrics.json").read_text())
    assert len(alone["rows"]) == 2
    assert len(less["rows"]) == 1
    assert not (folder / "c-nothing").exists()
    run = (tmp_path / page).parents[1]
    manifest = json.loads((run / "manifest.json").read_text())
    assert list(manifest["parts"]) == ["A. All <of> it", "B. Less"]
    assert len(manifest["invocations"]) == 1
    assert "C. Nothing: not computed" in (run / "run.log").read_text()
    rows = (run / "report" / "samples.csv").read_text().splitlines()
    assert len(rows) == 1 + 12 + 2
    assert rows[0].startswith("part,prompt,sample_index")


@pytest.mark.slow
def test_a_part_shows_what_was_measured_earlier(cli, collection: Path, tmp_path: Path) -> None:
    """Tables and figures of a folder stand in its section, labelled, and outlive the folder."""
    assert cli("run", "smoke.yaml").returncode == 0
    (made,) = (tmp_path / "runs").glob("smoke-??????/report")
    for part in ("tables", "figures"):
        shutil.copytree(made / part, tmp_path / "kept" / part)
    (tmp_path / "kept" / "about.json").write_text('{"date": "2026-01-01", "device": "<a> big one"}')
    data = yaml.safe_load(collection.read_text())
    data["parts"] = [data["parts"][1] | {"results": "kept"}, {"title": "N", "not_computed": "time", "results": "gone"}]
    collection.write_text(yaml.safe_dump(data))
    result = cli("run", collection)
    assert result.returncode == 0, result.stderr
    assert "N: no results in" in result.stderr
    (report,) = (tmp_path / "runs").glob("both-*/report")
    earlier = json.loads((report / "tables" / "b-less" / "earlier_metrics.json").read_text())
    assert len(earlier["rows"]) == 2
    assert len(json.loads((report / "tables" / "b-less" / "metrics.json").read_text())["rows"]) == 1
    assert "(measured earlier)" in earlier["title"]
    assert earlier["notes"][0] == "Measured earlier, not by this run (date 2026-01-01; device <a> big one)."
    assert list((report / "figures" / "b-less").glob("earlier_*.svg"))
    page = (report / "index.html").read_text()
    assert "device &lt;a&gt; big one" in page
    assert "no results in" in page
    assert "earlier" not in result.stdout, "the headline is what this run measured"
    shutil.rmtree(tmp_path / "kept")
    (report / "index.html").unlink()
    assert cli("report", report.parent.name).returncode == 0
    assert (report / "index.html").read_text() == page


@pytest.mark.parametrize(
    ("name", "text"),
    [("about.json", "[]"), ("tables/t.json", "{}"), ("figures/f.json", '{"schema": "nova_bench.figure/1"}')],
)
def test_a_damaged_folder_of_results_is_one_line(cli, collection: Path, tmp_path: Path, name: str, text: str) -> None:
    for part in ("tables", "figures"):
        (tmp_path / "kept" / part).mkdir(parents=True)
    (tmp_path / "kept" / "about.json").write_text("{}")
    (tmp_path / "kept" / name).write_text(text)
    data = yaml.safe_load(collection.read_text())
    data["parts"] = [data["parts"][1] | {"results": "kept"}]
    collection.write_text(yaml.safe_dump(data))
    result = cli("run", collection)
    assert result.returncode == 0, result.stderr
    assert "kept: not a folder of results" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_a_part_alone_finds_what_the_collection_made(cli, collection: Path) -> None:
    assert cli("run", collection).returncode == 3
    alone = cli("run", "smoke.yaml")
    assert alone.returncode == 0
    assert "6 samples were there already" in alone.stderr
    assert "12 scores were there already" in alone.stderr


def test_the_page_is_rebuilt_from_the_store(cli, collection: Path, tmp_path: Path) -> None:
    first = cli("run", collection)
    page = tmp_path / first.stdout.splitlines()[-1].removeprefix("report: ")
    before = page.read_text()
    page.unlink()
    (tmp_path / "smoke.yaml").unlink()
    again = cli("report")
    assert again.returncode == 3, again.stderr
    assert page.read_text() == before
    with sqlite3.connect(tmp_path / "runs" / "store.sqlite") as rows:
        (name,) = rows.execute("SELECT name FROM runs WHERE name LIKE 'smoke-%' ORDER BY rowid").fetchone()
        rows.execute("DELETE FROM runs WHERE name = ?", [name])
    lost = cli("report", page.parent.parent.name)
    assert "incomplete: A. All <of> it: not computed: its run is no longer in the store" in lost.stderr
    assert f"kept in {page.parent.parent.name}/report, since it shows more (14 values" in lost.stderr
    assert "the new one: 2 values" in lost.stderr
    assert page.read_text() == before


def test_plan_shows_every_part_and_what_is_wrong_with_it(cli, collection: Path) -> None:
    result = cli("plan", collection)
    assert result.returncode == 3
    assert result.stdout.count("run smoke-") == 2
    assert "not computed: " in result.stdout


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"parts": [{"title": "A", "suite": "nosuch.yaml"}]}, r"both.yaml:\d+: .*no such suite"),
        ({"parts": [{"title": "A", "suite": "both.yaml"}]}, "is a collection itself"),
        ({"parts": [{"titel": "A", "suite": "smoke.yaml"}]}, "did you mean 'title'"),
        ({"parts": []}, "parts"),
    ],
)
def test_a_wrong_file_is_told_with_its_place(collection: Path, tmp_path: Path, change: dict, problem: str) -> None:
    collection.write_text(yaml.safe_dump({**yaml.safe_load(collection.read_text()), **change}))
    with pytest.raises(SuiteError, match=problem):
        load_collection(Request(str(collection), tmp_path))


def test_options_reach_the_parts(collection: Path, tmp_path: Path) -> None:
    request = Request(str(collection), tmp_path, model="nova-tiny", assignments=["parts.1.takes_model=false"], limit=5)
    _, parts = load_collection(request)
    assert [part.model for part in parts] == ["nova-tiny", None, "nova-tiny"]
    assert [part.limit for part in parts] == [5, 2, 5]
    with pytest.raises(SuiteError, match=r"parts\.0\.set\.seed=1"):
        load_collection(Request(str(collection), tmp_path, assignments=["seed=1"]))


def test_a_model_that_is_none_is_told_before_any_part_runs(cli, collection: Path, tmp_path: Path) -> None:
    for command in ("run", "plan"):
        result = cli(command, collection, "--model", "nosuch", "--set", "parts.0.takes_model=false")
        assert result.returncode == 2
        assert result.stderr.startswith("error: --model nosuch: no such folder, manifest or checkpoint")
    assert not (tmp_path / "runs").exists()


def test_a_part_that_cant_be_run_still_shows_the_published_rows_of_its_leaderboard(cli, tmp_path, write_suite) -> None:
    write_suite("smoke.yaml")
    parts = [{"title": "A", "suite": "smoke.yaml"}, {"title": "F", "suite": str(ROOT / "suites/dpg.yaml")}]
    path = tmp_path / "two.yaml"
    path.write_text(yaml.safe_dump({"kind": "collection", "name": "two", "title": "Two", "parts": parts}))
    result = cli("run", path)
    assert result.returncode == 3
    assert "F: not computed: needs dpg_bench.csv" in result.stderr
    page = tmp_path / result.stdout.splitlines()[-1].removeprefix("report: ")
    table = json.loads((page.parent / "tables" / "f" / "published.json").read_text())
    assert len(table["rows"]) == 14
    assert table["columns"][1]["source"] == "arXiv 2412.14169, App. F, Table 3"


@pytest.mark.slow
def test_a_part_that_no_suite_computes_says_so_beside_published_numbers(cli, tmp_path: Path, write_suite) -> None:
    write_suite("smoke.yaml")
    table = {"title": "Table 3", "source": "a paper", "columns": ["Overall"], "rows": {"NOVA": [82.25]}}
    parts = [
        {"title": "A", "suite": "smoke.yaml"},
        {"title": "F", "not_computed": "it needs a judge", "published": table},
    ]
    path = tmp_path / "two.yaml"
    path.write_text(yaml.safe_dump({"kind": "collection", "name": "two", "title": "Two", "parts": parts}))
    result = cli("run", path)
    assert result.returncode == 0, result.stderr
    page = tmp_path / result.stdout.splitlines()[-1].removeprefix("report: ")
    text = page.read_text()
    assert "not computed: it needs a judge" in text
    assert "82.25" in text[text.index("Table 3 (published)") :]
    stored = json.loads((page.parent / "tables" / "f" / "published.json").read_text())
    assert stored["columns"][1]["source"] == "a paper"
    planned = cli("plan", path)
    assert planned.returncode == 0
    assert planned.stdout.endswith("F\n=\nnot computed: it needs a judge\n")
    page.unlink()
    assert cli("report", page.parent.parent.name).returncode == 0
    assert "not computed: it needs a judge" in page.read_text()


def test_a_part_is_a_suite_or_says_what_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    path.write_text("kind: collection\nname: none\ntitle: None\nparts:\n  - {title: A}\n")
    with pytest.raises(SuiteError, match=r"none.yaml:5: parts.0: give either `suite` or `not_computed`"):
        load_collection(Request(str(path), tmp_path))


def test_a_run_prints_the_main_table_and_how_to_read_it(cli, collection: Path) -> None:
    stated = yaml.safe_load(collection.read_text())
    stated["parts"] = stated["parts"][:2]
    collection.write_text(yaml.safe_dump({**stated, "headline": "B. Less", "reading": ["Bright is better."]}))
    result = cli("run", collection)
    assert result.returncode == 0, result.stderr
    assert "roughness" not in result.stdout  # A's table has it
    *_, reading, more, _ = result.stdout.splitlines()
    assert (reading, more) == ("Bright is better.", "3 more tables are on the page: --verbose prints all")
    whole = cli("report", "--verbose")
    assert whole.stdout.index("roughness") < whole.stdout.index("Bright is better.")
    assert "more tables" not in whole.stdout
    collection.write_text(yaml.safe_dump({**stated, "headline": "C"}))
    assert "headline: no part 'C'; parts: A. All <of> it, B. Less" in cli("run", collection).stderr
