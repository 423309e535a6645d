"""Suites of the kind `study`, through the command line, on the test kit's model."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from nova_bench.config.suite_files import known_suites
from nova_bench.experiments.base import Request
from nova_bench.experiments.registry import kind_of
from nova_bench.experiments.study.load import load_study
from nova_bench.video import write_mp4

ROOT = Path(__file__).parents[3]
BASE = {
    "model": {"adapter": "drift"},
    "prompts": {"samples_per_prompt": 2, "entries": ["a cat", "a dog", "a house"]},
    "sampling": {"num_frames": 3, "height": 16, "width": 16},
    "scorers": ["brightness", "roughness"],
    "statistics": {"resamples": 200},
    "report": {"figure_formats": ["svg"]},
}
ARMS = [
    {"label": "First", "group": "twice", "seed": 0},
    {"label": "Second", "group": "twice", "seed": 1, "set": {"seed": 7}},
    {
        "label": "Other",
        "set": {"sampling.num_frames": 5},
        "published": {"label": "Somebody", "source": "a paper, Table 1", "values": {"roughness": 70.5}},
    },
]


@pytest.fixture
def write_study(tmp_path):
    def write(**keys):
        study = {"kind": "study", "name": "pair", "title": "A pair", "base": BASE, "arms": ARMS, **keys}
        path = tmp_path / "study.yaml"
        path.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("name", sorted(name for name in known_suites() if kind_of(name) == "study"))
def test_every_bundled_study_is_valid(name, tmp_path):
    assert load_study(Request(name, tmp_path)).study.name == name


def table_of(folder: Path, table: str = "study") -> dict[tuple[str, str], dict]:
    """(metric, setting) -> cells of a table of the only study in a store."""
    (page,) = (path for path in folder.glob("pair-*/report/tables") if (path / f"{table}.json").exists())
    rows = json.loads((page / f"{table}.json").read_text())["rows"]
    return {(r["cells"]["metric"]["value"], r["cells"]["setting"]["value"]): r["cells"] for r in rows}


def test_arms_are_measured_on_one_store_and_compared(cli, write_study, tmp_path):
    result = cli("run", write_study())
    assert result.returncode == 0, result.stderr
    cells = table_of(tmp_path / "runs")
    assert set(cells) == {(m, s) for m in ("brightness", "roughness") for s in ("twice", "Other")}
    pooled, other = cells["roughness", "twice"], cells["roughness", "Other"]
    assert pooled["value"]["n_ok"] == 12
    assert pooled["seeds"]["value"] == "2 (seeds 0, 1)"
    assert pooled["difference"]["value"] == "reference"
    assert other["difference"]["value"] == pytest.approx(other["value"]["value"] - pooled["value"]["value"])
    assert other["difference"]["ci"][0] < other["difference"]["value"] < other["difference"]["ci"][1]
    assert other["published"] == {"value": 70.5, "published": True, "source": "Somebody: a paper, Table 1"}
    assert "published" not in other["value"]
    arms = sorted(path.name.rsplit("-", 1)[0] for path in (tmp_path / "runs").glob("pair-*"))
    assert arms == ["pair", "pair-first", "pair-other", "pair-second"]
    page = (result.stdout.split("report: ")[1]).strip()
    text = (tmp_path / page).read_text()
    assert '/report/index.html" dir="auto">Second</a>' in text
    for arm in ("first", "second", "other"):
        (own,) = (tmp_path / "runs").glob(f"pair-{arm}-*/report/index.html")
        assert f"{own.parts[-3]}/report/index.html" in text


def test_an_interval_ends_where_the_values_of_its_metric_do(cli, write_study, tmp_path):
    """Two trainings apart make Student's interval wider than 0 to 1; Wilson's, of the share itself, ends before."""
    cli("run", write_study(base={**BASE, "scorers": ["even"]}, curves={}))
    low, high = table_of(tmp_path / "runs")["even", "twice"]["value"]["ci"]
    assert 0 < low < 0.1 < 0.9 < high < 1
    (figure,) = tmp_path.glob("runs/pair-??????/report/figures/steps_even.json")
    twice = json.loads(figure.read_text())["curves"][0]
    assert (twice["low"], twice["high"]) == ([0.0, 0.0], [1.0, 1.0])


def test_running_again_computes_nothing_and_report_rebuilds_the_same(cli, write_study, tmp_path):
    first = cli("run", write_study())
    before = {path: path.read_bytes() for path in (tmp_path / "runs").glob("pair-??????/report/tables/*")}
    again = cli("run", "study.yaml")
    assert again.stdout == first.stdout
    assert "stage=generate" not in again.stderr
    assert "stage=score" not in again.stderr
    rebuilt = cli("report")
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert rebuilt.stdout == first.stdout
    assert before
    assert before == {path: path.read_bytes() for path in before}
    with sqlite3.connect(tmp_path / "runs" / "store.sqlite") as rows:
        rows.execute("DELETE FROM rows WHERE scorer = 'roughness'")
    poorer = cli("report")
    assert "since it shows more (36 values" in poorer.stderr
    assert "the new one: 18 values" in poorer.stderr
    assert before == {path: path.read_bytes() for path in before}


def test_what_dims_leaves_out_of_an_arm_is_noted(cli, write_study, tmp_path):
    loaded = load_study(Request(str(write_study()), tmp_path, dimensions=["roughness"]))
    assert [[use.name for use in suite.scorers] for suite in loaded.suites] == [["roughness"]] * 3
    assert {notice.names for notices in loaded.left_out for notice in notices} == {("brightness",)}
    result = cli("run", "study.yaml", "--dims", "roughness", "--limit", 1)
    (noted,) = tmp_path.glob("runs/pair-??????/report/notices.csv")
    told = '"First, Second, Other",1 of 2 scorers of the suite (--dims): roughness,brightness,'
    assert told in noted.read_text(), result.stderr
    unused = cli("plan", write_study(trainings_only=True), "--dims", "roughness")
    assert unused.returncode == 2
    assert "--dims: study pair shows trainings only" in unused.stderr


def test_arms_share_what_they_have_in_common(cli, write_study, tmp_path):
    same = [{"label": "A"}, {"label": "B", "set": {"scorers": ["roughness"]}}]
    result = cli("run", write_study(arms=same))
    assert result.returncode == 0, result.stderr
    assert "6 samples were there already" in result.stderr
    cells = table_of(tmp_path / "runs")
    assert cells["roughness", "B"]["difference"]["value"] == 0
    assert "ci" not in cells["roughness", "B"]["difference"]
    assert cells["roughness", "B"]["difference"]["ci_missing"] == "all 3 differences equal"
    assert "not asked for" in cells["brightness", "B"]["value"]["note"]


@pytest.mark.slow
def test_a_final_score_stands_below_the_metrics_of_every_arm(cli, write_study, tmp_path):
    published = {"label": "Somebody", "source": "a paper, Table 1", "values": {"overall": 0.4}}
    arms = [*ARMS[:2], {**ARMS[2], "published": published}, {"label": "Partly", "set": {"scorers": ["brightness"]}}]
    columns = [{"metric": "overall", "percent": True}]
    path = write_study(
        base={**BASE, "derived": ["overall"]}, arms=arms, overview={"title": "Overview", "columns": columns}
    )
    result = cli("run", path)
    assert result.returncode == 0, result.stderr
    cells = table_of(tmp_path / "runs")
    assert list(dict.fromkeys(metric for metric, _ in cells)) == ["brightness", "roughness", "overall"]
    values = {key: cell["value"].get("value") for key, cell in cells.items()}
    for setting in ("twice", "Other"):
        brightness, roughness = values["brightness", setting], values["roughness", setting]
        assert values["overall", setting] == pytest.approx((3 * brightness + roughness / 255) / 4)
    other = cells["overall", "Other"]
    assert other["difference"]["value"] == pytest.approx(values["overall", "Other"] - values["overall", "twice"])
    assert other["difference"]["ci"][0] < other["difference"]["value"] < other["difference"]["ci"][1]
    assert other["published"]["value"] == 0.4
    assert (other["value"]["n_ok"], cells["overall", "twice"]["value"]["n_ok"]) == (6, 12)
    for place in ("value", "difference"):
        assert cells["overall", "Partly"][place]["note"] == "not computed: needs roughness"
    (own,) = (tmp_path / "runs").glob("pair-other-*/report/tables/metrics.json")
    rows = {row["cells"]["metric"]["value"]: row["cells"]["value"] for row in json.loads(own.read_text())["rows"]}
    assert other["value"]["ci"] == rows["overall"]["ci"]
    (page,) = (tmp_path / "runs").glob("pair-*/report/tables/overview.json")
    overview = {row["cells"]["setting"]["value"]: row["cells"]["c0"] for row in json.loads(page.read_text())["rows"]}
    assert overview["Other"]["value"] == values["overall", "Other"]
    assert overview["Partly"]["note"] == "not computed: needs roughness"
    assert overview["Somebody (published)"]["value"] == 0.4


def test_a_difference_says_of_how_many_of_the_metrics_own_prompts(cli, write_study, tmp_path):
    prompts = {"entries": [{"text": text, "tags": [tag]} for text, tag in zip("abcdef", "xxxxyy", strict=True)]}
    base = {**BASE, "prompts": prompts, "scorers": [{"name": "brightness", "tags": ["x"]}, "roughness"]}
    arms = [{"label": "All"}, {"label": "Some", "set": {"model.checkpoint": "b", "model.fail_on": "b"}}]
    assert cli("run", write_study(base=base, arms=arms)).returncode == 3
    cells = table_of(tmp_path / "runs")
    assert cells["brightness", "Some"]["difference"]["note"] == "over the 3 of 4 prompts that both have"
    assert cells["roughness", "Some"]["difference"]["note"] == "over the 5 of 6 prompts that both have"


@pytest.mark.slow
def test_an_arm_without_its_weights_is_named_and_the_rest_computed(cli, write_study, tmp_path):
    arms = [
        *ARMS,
        {"label": "Published", "model": {"adapter": "nova", "checkpoint": "nova-0.6b-t2v"}},
        {"label": "Untrained", "model": {"adapter": "nova", "folder": "checkpoints/none"}},
    ]
    result = cli("run", write_study(arms=arms))
    assert result.returncode == 3, result.stderr
    assert "assets fetch nova-0.6b-t2v" in result.stderr
    cells = table_of(tmp_path / "runs")
    assert cells["roughness", "Other"]["value"]["value"] > 0
    note = cells["roughness", "Untrained"]["value"]["note"]
    assert note.startswith(f"not computed: needs the checkpoint {tmp_path}/checkpoints/none")
    assert "value" not in cells["roughness", "Published"]["value"]
    assert cli("report").returncode == 3
    planned = cli("plan", "study.yaml")
    assert planned.returncode == 3
    assert "checkpoints/none" in planned.stdout


def test_where_no_arm_can_be_measured_the_first_error_is_told(cli, write_study):
    write_study(arms=[{"label": "A", "model": {"adapter": "nova", "folder": "none"}}])
    for command in ("run", "plan"):
        result = cli(command, "study.yaml")
        assert result.returncode == 3
        assert "no such folder" in result.stdout + result.stderr
        assert "Traceback" not in result.stderr


def test_the_command_line_changes_the_base(cli, write_study, tmp_path):
    result = cli("run", write_study(), "--limit", 1, "--set", "sampling.height=8", "--set", "arms.0.label=Renamed")
    assert result.returncode == 0, result.stderr
    suites = [json.loads(path.read_text())["suite"] for path in (tmp_path / "runs").glob("pair-*-*/manifest.json")]
    assert {suite["name"]: suite["sampling"]["height"] for suite in suites} == {
        "pair-renamed": 8,
        "pair-second": 8,
        "pair-other": 8,
    }
    assert {suite["name"]: suite["sampling"]["num_frames"] for suite in suites}["pair-other"] == 5
    assert table_of(tmp_path / "runs")["roughness", "twice"]["value"]["n_requested"] == 2


@pytest.mark.slow
def test_model_replaces_the_base_but_no_arm_of_its_own(cli, write_study, tmp_path):
    videos = tmp_path / "videos"
    cli("run", write_study(arms=[{"label": "A"}], base={**BASE, "sampling": {"num_frames": 3}}))
    videos.mkdir()
    for index, path in enumerate(sorted((tmp_path / "runs" / "artifacts").rglob("*.mp4"))):
        path.rename(videos / f"{['a cat', 'a dog', 'a house'][index % 3]}-{index // 3}.mp4")
    arms = [{"label": "Given"}, {"label": "Own", "model": {"adapter": "drift", "checkpoint": "own"}}]
    result = cli("run", write_study(arms=arms), "--model", "videos", "--store", "other")
    assert result.returncode == 0, result.stderr
    suites = [json.loads(path.read_text())["suite"] for path in (tmp_path / "other").glob("pair-*-*/manifest.json")]
    assert {suite["name"]: suite["model"]["adapter"] for suite in suites} == {
        "pair-given": "files",
        "pair-own": "drift",
    }


def test_a_path_in_set_is_relative_to_where_the_command_runs(cli, write_study, tmp_path):
    (tmp_path / "suites").mkdir()
    arms = [{"label": label, "model": {"adapter": "files", "folder": "theirs"}} for label in ("old", "new")]
    study = write_study(base={**BASE, "prompts": None}, arms=arms).rename(tmp_path / "suites" / "study.yaml")
    for folder in ("mine", "suites/theirs"):
        (tmp_path / folder).mkdir()
        for name in ("a", "b"):
            write_mp4(tmp_path / folder / f"{name}.mp4", np.full((3, 16, 16, 3), ord(folder[0]), np.uint8))
    result = cli("run", study, "--set", "arms.1.model.folder=mine")
    assert result.returncode == 0, result.stderr
    cells = table_of(tmp_path / "runs")
    assert cells["brightness", "old"]["value"]["value"] > cells["brightness", "new"]["value"]["value"]


def test_the_base_may_extend_a_suite(cli, write_study, write_suite, tmp_path):
    write_suite("base.yaml")
    result = cli("run", write_study(base={"extends": "base.yaml", "sampling": {"num_frames": 2}}), "--limit", 2)
    assert result.returncode == 0, result.stderr
    (manifest,) = (tmp_path / "runs").glob("pair-first-*/manifest.json")
    assert json.loads(manifest.read_text())["suite"]["sampling"]["num_frames"] == 2


@pytest.mark.parametrize(
    ("change", "written", "problem"),
    [
        (
            {"arms": [{"label": "A", "set": {"sampling.num_frame": 3}}]},
            "sampling.num_frame:",
            "unknown key 'num_frame'",
        ),
        ({"arms": [{"label": "A", "set": {"scorers": ["rougness"]}}]}, "    scorers:", "did you mean 'roughness'"),
        ({"arms": [{"label": "A", "model": {"adapter": "drfit"}}]}, "adapter: drfit", "did you mean 'drift'"),
        ({"arms": [{"label": "A"}, {"label": "A"}]}, "label: A", "two arms have the label 'A'"),
        ({"arms": [{"label": "A b"}, {"label": "a B"}]}, "label: a B", "two arms have the name of a run 'a-b'"),
        ({"arms": [{"label": "A", "gruop": "x"}]}, "gruop", "did you mean 'group'"),
        ({"arms": []}, "arms:", "arms: expected at least 1"),
        ({"reference": "Othre"}, "reference:", "did you mean 'Other'"),
        ({"base": {**BASE, "sampling": {"num_frames": "many"}}}, "num_frames: many", "expected a whole number"),
        ({"base": {"extends": "gone.yaml"}}, "extends:", "base.extends: no file"),
        ({"name": "No Name"}, "name: No Name", "expected text of the form"),
    ],
)
def test_a_mistake_is_told_with_its_line(cli, write_study, change, written, problem):
    path = write_study(**change)
    line = max(number for number, text in enumerate(path.read_text().splitlines(), 1) if written in text)
    result = cli("run", path)
    assert result.returncode == 2
    assert problem in result.stderr
    assert f"error: {path}:{line}: " in result.stderr
    assert "Tuple" not in result.stderr
    assert "Traceback" not in result.stderr


def test_the_gallery_shows_a_sample_of_all_arms_side_by_side(cli, write_study, tmp_path):
    failing = {**BASE, "prompts": {"entries": ["a cat", "a dog", "a house"]}}
    arms = [{"label": "Sound"}, {"label": "Broken", "set": {"model.checkpoint": "b", "model.fail_on": "dog"}}]
    result = cli("run", write_study(base=failing, arms=arms))
    assert result.returncode == 3
    text = (tmp_path / result.stdout.split("report: ")[1].strip()).read_text()
    start = text.index(">", text.index('id="gallery-data"')) + 1
    items = json.loads(text[start : text.index("</script>", start)])["items"]
    assert [(item["prompt"], item["labels"][0], item["status"]) for item in items] == [
        ("a cat", "Sound", "ok"),
        ("a cat", "Broken", "ok"),
        ("a dog", "Sound", "ok"),
        ("a dog", "Broken", "failed"),
        ("a house", "Sound", "ok"),
        ("a house", "Broken", "ok"),
    ]


def test_plan_sums_over_the_arms(cli, write_study):
    path = write_study()
    before = cli("plan", path)
    assert before.returncode == 0, before.stderr
    assert [line.split() for line in before.stdout.splitlines() if line.startswith("all ")] == [
        ["all", "0", "18", "0", "36", "?"]
    ]
    cli("run", path)
    after = cli("plan", path)
    assert [line.split()[1:5] for line in after.stdout.splitlines() if line.startswith("all ")] == [
        ["18", "0", "36", "0"]
    ]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills a process")
def test_a_killed_study_continues(cli, write_study, tmp_path, environment):
    slow = {**BASE, "model": {"adapter": "drift", "seconds": 0.15}, "execution": {"batch_size": 1}}
    path = write_study(base=slow)
    process = subprocess.Popen(
        [sys.executable, "-m", "nova_bench", "run", str(path)], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL
    )
    while len(list((tmp_path / "runs" / "artifacts").rglob("*.mp4"))) < 8:  # in the second arm
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    result = cli("run", path)
    assert result.returncode == 0, result.stderr
    assert "6 samples were there already" in result.stderr
    fresh = cli("run", path, "--store", "fresh")
    assert fresh.stdout.split("report:")[0] == result.stdout.split("report:")[0]
