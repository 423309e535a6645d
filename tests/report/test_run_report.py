"""From a finished run to tables, files and the page, through the command line."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nova_bench.video import write_image

PUBLISHED = [{"label": "Paper", "source": "Table 9", "values": {"brightness": 0.25, "speed": 3.0}}]


def only_run(root: Path, name: str = "smoke") -> Path:
    (folder,) = [path for path in root.glob(f"{name}-*") if path.is_dir()]
    return folder


def cells(folder: Path) -> dict[str, dict]:
    table = json.loads((folder / "report/tables/metrics.json").read_text())
    return {row["cells"]["metric"]["value"]: row["cells"] for row in table["rows"]}


def test_a_figure_is_redrawn_in_another_width(cli: Callable, write_suite: Callable, tmp_path: Path) -> None:
    assert cli("run", write_suite()).returncode == 0
    result = cli("report", "--figure", "metric_intervals", "--width", "double", "--quiet")
    assert result.returncode == 0, result.stderr
    paths = [tmp_path / line for line in result.stdout.splitlines()]
    assert {path.name for path in paths} >= {"metric_intervals.pdf", "metric_intervals.svg", "metric_intervals.csv"}
    svg = next(path for path in paths if path.suffix == ".svg").read_text()
    width = float(re.search(r'width="([\d.]+)pt"', svg)[1])
    assert width == pytest.approx(6.8 * 72)
    wrong = cli("report", "--figure", "metric_interval")
    assert wrong.returncode == 2
    assert "did you mean 'metric_intervals'?" in wrong.stderr
    assert cli("report", "--width", "single").returncode == 2


def test_a_run_ends_in_table_figures_page_and_raw_rows(cli, write_suite, tmp_path):
    result = cli("run", write_suite(published=PUBLISHED, report={}))
    assert result.returncode == 0, result.stderr
    folder = only_run(tmp_path / "runs")
    report = folder / "report"
    assert f"report: {report.relative_to(tmp_path)}/index.html" in result.stdout
    with (report / "samples.csv").open(newline="") as stream:
        raw = list(csv.DictReader(stream))
    values = [float(line["value"]) for line in raw if line["metric"] == "brightness"]
    assert len(values) == 6
    cell = cells(folder)["brightness"]
    assert cell["value"]["value"] == pytest.approx(sum(values) / 6)  # all videos have the same number of frames
    assert cell["value"]["ci"][0] < cell["value"]["value"] < cell["value"]["ci"][1]
    for name in ("metrics.md", "metrics.tex", "metrics.csv", "samples.md"):
        assert (report / "tables" / name).stat().st_size > 0
    for name in ("metric_intervals.svg", "metric_intervals.csv", "metric_distribution.pdf"):
        assert (report / "figures" / name).stat().st_size > 0
    page = (report / "index.html").read_text()
    assert "Smoke test" in page
    assert "://" not in page.split("</style>")[0]  # nothing is loaded from elsewhere


def test_published_numbers_are_labelled_and_never_mixed_with_measured_ones(cli, write_suite, tmp_path):
    result = cli("run", write_suite(published=PUBLISHED))
    assert "Published: Paper" in result.stdout
    assert "Published, not measured here: Table 9" in result.stdout
    found = cells(only_run(tmp_path / "runs"))
    assert found["brightness"]["published0"]["value"] == 0.25
    assert found["speed"]["value"].get("value") is None
    assert "no scorer of that name" in found["speed"]["value"]["note"]


def test_rewritten_prompts_are_said_and_names_are_the_originals(cli, write_suite, tmp_path):
    """The model gets the rewritten text; file names, samples and scores go by the original one."""
    dense = [{"prompt": name, "dense_prompt": f"{name} in great detail"} for name in ("a cat", "a dog")]
    (tmp_path / "dense.json").write_text(json.dumps(dense))
    prompts = {"entries": ["a cat", "a dog"], "dense": "dense.json"}
    made = cli("run", write_suite(prompts=prompts, model={"adapter": "drift", "label": "Drift"}))
    assert made.returncode == 0, made.stderr
    assert "Smoke test: Drift, rewritten prompts\n" in made.stdout
    folder = only_run(tmp_path / "runs")
    samples = (folder / "report/samples.csv").read_text()
    assert "a cat,0" in samples
    assert "great detail" not in samples
    assert cli("store", "export", folder.name, "out", "--layout", "vbench").returncode == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a cat-0.mp4", "a dog-0.mp4"}
    # The same folder, scored as another model's: its suite says that the prompts were rewritten.
    (tmp_path / "out/a cat in great detail-0.mp4").touch()
    scored = cli("run", "suite.yaml", "--model", "out", "--store", "other")
    assert scored.returncode == 0, scored.stderr
    assert "Smoke test: out, rewritten prompts\n" in scored.stdout
    notices = (only_run(tmp_path / "other") / "report/notices.csv").read_text()
    assert "a cat in great detail-0.mp4: the rewritten text of 'a cat', which names its files" in notices


def test_a_failed_sample_is_a_gap_with_its_error_and_the_rest_is_measured(cli, write_suite, tmp_path):
    result = cli("run", write_suite(model={"adapter": "drift", "fail_on": "dog"}))
    assert result.returncode == 3
    told = [line for line in result.stderr.splitlines() if line.startswith("incomplete: ")]
    assert told[0] == "incomplete: brightness, roughness: 4 of 6 samples scored, 2 failed"
    assert len(told) == 2
    assert "2 samples: " in told[1]
    assert "drift can't draw 'dog'" in told[1]
    again = cli("report")
    assert (again.returncode, again.stderr.splitlines()[-2:]) == (3, told)
    assert "4/6 ok, 2 failed" in result.stdout
    assert cells(only_run(tmp_path / "runs"))["brightness"]["value"]["n_failed"] == 2


def test_all_failed_is_no_number(cli, write_suite, tmp_path):
    scorers = [{"name": "brightness", "settings": {"fail_below": 2.0}}]
    result = cli("run", write_suite(scorers=scorers))
    assert result.returncode == 3
    cell = cells(only_run(tmp_path / "runs"))["brightness"]["value"]
    assert cell.get("value") is None
    assert "6 of 6 samples failed: ValueError: too dark" in cell["note"]


def test_not_measurable_is_counted_apart_and_says_why(cli, write_suite, tmp_path):
    result = cli("run", write_suite(sampling={"num_frames": 1, "height": 16, "width": 16}))
    assert result.returncode == 3
    assert "roughness: not measurable on these samples: one frame has no roughness" in result.stderr
    assert "0/6 ok, 6 skipped" in result.stdout


def test_report_rebuilds_everything_from_the_store_without_the_model(cli, write_suite, tmp_path, environment):
    assert cli("run", write_suite(published=PUBLISHED)).returncode == 0
    folder = only_run(tmp_path / "runs")
    before = {path.name: path.read_bytes() for path in (folder / "report").rglob("*") if path.is_file()}
    for path in (folder / "report").rglob("*"):
        if path.is_file():
            path.unlink()
    result = cli("report", folder, "--out", tmp_path / "again")
    assert result.returncode == 0, result.stderr
    after = {path.name: path.read_bytes() for path in (tmp_path / "again" / "report").rglob("*") if path.is_file()}
    assert set(after) == set(before)
    data = {name for name in before if not name.endswith((".html", ".pdf"))}
    assert {name: after[name] for name in data} == {name: before[name] for name in data}


def test_prompts_are_shown_as_text_only(cli, write_suite, tmp_path):
    hostile = [
        "<img src=x onerror=alert(1)>",
        "../../etc/passwd",
        "</script><script>alert(2)</script>",
        "a\u202eb % & _",
    ]
    prompts = {"entries": hostile}
    result = cli("run", write_suite(prompts=prompts, title="<b>bold</b> & co"))
    assert result.returncode == 0, result.stderr
    report = only_run(tmp_path / "runs") / "report"
    page = (report / "index.html").read_text()
    assert "<img src=x" not in page
    assert "<script>alert(2)" not in page
    assert "<b>bold</b>" not in page
    names = {path.name for path in (tmp_path / "runs").rglob("*")}
    assert not any("passwd" in name or "onerror" in name for name in names)


def test_unknown_run_names_those_that_are_there(cli, write_suite, tmp_path):
    assert cli("run", write_suite()).returncode == 0
    result = cli("report", "nonsense")
    assert result.returncode == 2
    assert "no run 'nonsense'" in result.stderr
    assert "smoke-" in result.stderr


def test_a_change_of_title_shows_in_the_report_and_measures_nothing_again(cli, write_suite, tmp_path):
    assert cli("run", write_suite()).returncode == 0
    result = cli("run", write_suite(title="Another title"))
    assert "6 samples were there already" in result.stderr
    assert "Another title" in result.stdout


def test_each_interval_says_how_it_was_made_and_from_how_many_prompts(cli, write_suite, tmp_path):
    assert cli("run", write_suite(scorers=["even", "roughness"])).returncode == 0
    (tables,) = tmp_path.glob("runs/smoke-*/report/tables")
    table = json.loads((tables / "metrics.json").read_text())
    assert table["notes"][0] == "95 % CI: Wilson over 3 prompts (even); cluster t over 3 prompts (roughness)."
    cells = {row["cells"]["metric"]["value"]: row["cells"]["value"] for row in table["rows"]}
    assert [(cell["ci_method"], cell["ci_prompts"]) for cell in cells.values()] == [("Wilson", 3), ("cluster t", 3)]
    lines = list(csv.DictReader((tables / "metrics.csv").open()))
    assert [(line["ci_method"], line["ci_prompts"]) for line in lines] == [("Wilson", "3"), ("cluster t", "3")]


@pytest.mark.parametrize(("prompts", "reason"), [(["a"], "one prompt"), (["a", "b", "c", "d", "e"], "all 5 equal")])
def test_where_there_is_no_interval_the_table_says_why(cli, write_suite, tmp_path, prompts, reason):
    write_image(tmp_path / "one.png", np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "list.csv").write_text("path,prompt\n" + "".join(f"one.png,{name}\n" for name in prompts))
    model = {"adapter": "files", "manifest": "list.csv"}
    result = cli("run", write_suite(model=model, prompts=None, scorers=["brightness"]))
    assert result.returncode == 0, result.stderr
    assert reason in result.stdout
    (table,) = tmp_path.glob("runs/smoke-*/report/tables/metrics.json")
    (row,) = json.loads(table.read_text())["rows"]
    assert "ci" not in row["cells"]["value"]
    assert row["cells"]["value"]["ci_missing"] == reason


def test_a_suite_chooses_the_formats_of_its_figures(cli, write_suite, tmp_path):
    def suffixes() -> list[str]:
        folder = only_run(tmp_path / "runs") / "report" / "figures"
        return sorted(path.suffix for path in folder.glob("metric_intervals.*"))

    cli("run", write_suite(report={"figure_formats": ["pdf", "svg"]}))
    assert suffixes() == [".csv", ".json", ".pdf", ".svg"]
    cli("run", write_suite(report={"figure_formats": ["svg"]}))
    assert suffixes() == [".csv", ".json", ".svg"]
