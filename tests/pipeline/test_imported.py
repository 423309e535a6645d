"""`report --import`: results of VBench's own evaluator as a run."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from nova_bench.config.catalog import COMPOSITES
from nova_bench.config.suite import StatisticsSpec
from nova_bench.core.errors import UserError
from nova_bench.pipeline.composite import combined
from nova_bench.pipeline.imported import import_results
from nova_bench.pipeline.results import RunResults, read_results
from nova_bench.protocols.vbench.results import DIMENSIONS, RESULTS
from nova_bench.store import Store
from tests.protocols.vbench.official_results import official_results

FEW = StatisticsSpec(resamples=100)


def imported(path: Path, suite: str = "vbench") -> RunResults:
    with Store.writer(path.parent / "store") as store:
        return read_results(import_results(path, RESULTS, suite, "", store), store, FEW)


def written(folder: Path, document: Any, name: str = "other_eval_results.json") -> Path:
    path = folder / name
    path.write_text(document if isinstance(document, str) else json.dumps(document, indent=4))
    return path


def totals(document: Mapping[str, list]) -> list[float]:
    values = {name: value for name, (value, _) in document.items()}
    known = COMPOSITES.all()
    return [combined(known[name], values, known) for name in ("vbench_quality", "vbench_semantic", "vbench_total")]


@pytest.mark.parametrize("several_gpus", [False, True])
def test_every_dimension_has_the_files_aggregate_and_an_interval(tmp_path: Path, several_gpus: bool) -> None:
    document = official_results(several_gpus=several_gpus)
    found = imported(written(tmp_path, document))
    assert {summary.scorer.info.name for summary in found.summaries} == set(DIMENSIONS)
    for summary in found.summaries:
        name = summary.scorer.info.name
        assert summary.value == document[name][0]
        assert summary.interval is not None, name
        assert summary.interval[0] < summary.value < summary.interval[1]
        assert summary.n_ok == len(document[name][1])
        assert summary.n_prompts == len({record["video_path"][:-6] for record in document[name][1]})
        ours = float(summary.sums.sum() / summary.weights.sum())
        assert ours == pytest.approx(summary.value, abs=1e-12)
        expected = "official_8_ranks" if several_gpus and name == "appearance_style" else ""
        assert summary.scorer.aggregate == expected
    assert [score.value for score in found.final] == pytest.approx(totals(document), abs=1e-12)
    assert all(score.interval is not None for score in found.final)


@pytest.mark.parametrize(("shift", "agrees"), [(5e-7, True), (2e-6, False)])
def test_the_aggregate_counts_and_rows_that_do_not_give_it_make_no_interval(
    tmp_path: Path, shift: float, agrees: bool
) -> None:
    document = official_results()
    document["color"][0] += shift
    found = imported(written(tmp_path, document))
    (color,) = (summary for summary in found.summaries if summary.scorer.info.name == "color")
    assert color.value == document["color"][0]
    assert (color.interval is not None) == agrees
    by_name = {score.metric.name: score for score in found.final}
    assert [score.value for score in found.final] == pytest.approx(totals(document), abs=1e-12)
    assert (by_name["vbench_total"].interval is not None) == agrees
    assert by_name["vbench_quality"].interval is not None


def test_rows_of_early_versions_lack_what_some_aggregates_count(tmp_path: Path) -> None:
    document = official_results()
    for _, records in document.values():
        records[:] = [{key: record[key] for key in ("video_path", "video_results")} for record in records]
    found = imported(written(tmp_path, document))
    without = {s.scorer.info.name: s.scorer.stated.problem for s in found.summaries if s.interval is None}
    assert set(without) == {"background_consistency", "appearance_style"}  # their videos have unequal lengths
    stated = document["background_consistency"][0]
    assert without["background_consistency"].startswith(f"the results file states {stated:.6g}, but its videos give ")


def test_a_number_that_is_not_finite_is_not_computed(tmp_path: Path) -> None:
    document = official_results()
    document["motion_smoothness"] = [math.nan, document["motion_smoothness"][1]]
    document["color"][1][0]["video_results"] = math.nan
    found = imported(written(tmp_path, document))
    by_name = {summary.scorer.info.name: summary for summary in found.summaries}
    assert by_name["motion_smoothness"].value is None
    assert (by_name["color"].value, by_name["color"].interval) == (document["color"][0], None)
    assert by_name["color"].n_failed == 1
    assert found.final[2].needs == ("motion_smoothness",)


def test_a_video_listed_twice_makes_no_interval(tmp_path: Path) -> None:
    document = official_results()
    value, records = document["overall_consistency"]
    document["overall_consistency"] = [value, records + records]
    found = imported(written(tmp_path, document))
    overall = next(s for s in found.summaries if s.scorer.info.name == "overall_consistency")
    assert (overall.value, overall.interval) == (value, None)
    assert overall.scorer.stated.problem == "the results file lists a video twice"


def test_a_folder_holds_a_file_per_dimension(tmp_path: Path) -> None:
    document, folder = official_results(), tmp_path / "model"
    (folder / "part").mkdir(parents=True)
    for name, result in document.items():
        place = folder / "part" if name == "scene" else folder
        written(place, {name.replace("_", " "): result}, f"{name}_eval_results.json")
    written(folder, [{"prompt_en": "a cat"}], "results_full_info.json")
    written(folder, {"i2v_subject": [0.9, []]}, "i2v.json")
    found = imported(folder)
    assert [score.value for score in found.final] == pytest.approx(totals(document), abs=1e-12)
    with Store.reader(tmp_path / "store") as store:
        notice = store.notices(found.plan.run_id)[-1]
    assert notice.text == "2 JSON files without results left out"
    assert notice.names == ("i2v.json", "results_full_info.json")
    written(folder, {"color": document["color"]}, "again.json")
    with pytest.raises(UserError, match=r"color is in again\.json and in color_eval_results\.json"):
        imported(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no results file: Expecting value"),
        ('{"color": ', "no results file: Expecting value"),
        ("[1, 2]", "no VBench results"),
        ('{"i2v_subject": [0.9, []]}', "no VBench results"),
        ('{"color": 0.9}', r"color: expected \[aggregate, videos\]"),
        ('{"color": ["high", []]}', "color: the aggregate is 'high', not a number"),
        ('{"color": [0.9, 3]}', "color: the second entry is not a list of videos"),
        ('{"color": [0.9, [3]]}', "color: video 1 of 1: expected an object with video_path and video_results"),
        ('{"color": [0.9, [{"video_path": "a-0.mp4"}]]}', "color: video 1 of 1: no 'video_results'"),
        ('{"color": [0.9, [{"video_path": 3, "video_results": 1}]]}', "video 1 of 1: video_path is not text"),
        ('{"color": [0.9, [{"video_path": "a", "video_results": 1e999}, {}]]}', "video 2 of 2: no 'video_path'"),
        ('{"color": [0.9, [{"video_path": "/", "video_results": 1}]]}', "color: '/' names no video"),
        (
            '{"scene": [0.9, [{"video_path": "a", "video_results": 1, "success_frame_count": 1, "frame_count": 0}]]}',
            "scene: video 1 of 1: frame_count is 0",
        ),
        (
            '{"appearance_style": [0.9, [{"video_path": "a", "video_results": 1, "frame_results": [NaN]}]]}',
            "appearance_style: video 1 of 1: 'nan' is not a finite number",
        ),
        ('{"color": [0.9, [{"video_path": "\\ud800-0.mp4", "video_results": 1}]]}', "the name is not UTF-8"),
        (f'{{"color": [{10**400}, []]}}', "not a number"),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        imported(written(tmp_path, text))
    assert "\n" not in error.value.message
    assert "other_eval_results.json" in error.value.message


def test_a_file_that_is_not_there_or_an_archive_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "results.zip").write_bytes(b"PK\x03\x04\xff\xfe")
    with pytest.raises(UserError, match=r"results\.zip: not a text file"):
        imported(tmp_path / "results.zip")
    with pytest.raises(UserError, match=r"nothing\.json: No such file"):
        imported(tmp_path / "nothing.json")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no VBench results"):
        imported(tmp_path / "empty")


def test_the_mlperf_score_of_a_file_from_8_gpus(tmp_path: Path) -> None:
    document = official_results(several_gpus=True)
    names = [part.metric for part in COMPOSITES.get("mlperf_vbench_score").parts]
    path = written(tmp_path, {name: document[name] for name in names})
    found = imported(path, "mlperf_vbench")
    (score,) = found.final
    assert score.value == pytest.approx(100 * sum(document[name][0] for name in names) / 6)
    assert [summary.scorer.info.name for summary in found.summaries] == names
    aggregates = {s.scorer.info.name: s.scorer.aggregate for s in found.summaries if s.scorer.aggregate}
    assert aggregates == dict.fromkeys(["subject_consistency", "appearance_style"], "official_8_ranks")
    document = official_results()
    found = imported(written(tmp_path, {name: document[name] for name in names}), "mlperf_vbench")
    with Store.reader(tmp_path / "store") as store:
        texts = [notice.text for notice in store.notices(found.plan.run_id)]
    assert "appearance_style: the results file's aggregate is the scorer's own, the suite's official_8_ranks" in texts


def test_report_and_compare_take_imported_results(cli: Callable, tmp_path: Path) -> None:
    kept = ("object_class", "color", "temporal_style")
    document = {name: result for name, result in official_results().items() if name in kept}
    document["color"][1][0]["video_path"] = "/etc/\x1b[31mpasswd\n<script>alert(1)</script>-0.mp4"
    os.mkfifo(tmp_path / "pipe-0.mp4")  # who opens it waits for ever
    document["color"][1][1]["video_path"] = str(tmp_path / "pipe-0.mp4")
    result = cli("report", "--import", written(tmp_path, document, "ours_eval_results.json"))
    assert result.returncode == 3, result.stderr
    absent = ", ".join(name for name in DIMENSIONS if name not in kept)
    assert f"incomplete: {absent}: not computed: not in the results file" in result.stderr
    assert f"note: no final score that needs {absent}: not in the results" in result.stderr
    assert "\x1b" not in result.stdout + result.stderr
    (run,) = (tmp_path / "runs").glob("vbench_imported-*")
    page = (run / "report/index.html").read_text()
    assert "<script>alert" not in page
    assert "\x1b" not in page
    rows = json.loads((run / "report/tables/metrics.json").read_text())["rows"]
    cells = {row["cells"]["metric"]["value"]: row["cells"] for row in rows}
    assert cells["color"]["value"]["value"] == document["color"][0]
    assert cells["vbench_total"]["value"]["note"] == f"not computed: needs {absent}"
    assert cells["vbench_total"]["published0"]["value"] == 0.7848

    for record in document["object_class"][1]:
        record["success_frame_count"] = 0
    document["object_class"][0] = 0.0
    worse = imported(written(tmp_path, document))
    done = cli("compare", run, tmp_path / "store" / worse.plan.run_name, "--json", "verdict.json")
    verdicts = {m["metric"]: m["verdict"] for m in json.loads((tmp_path / "verdict.json").read_text())["metrics"]}
    assert done.returncode == 1, done.stderr
    assert (verdicts["object_class"], verdicts["temporal_style"]) == ("regressed", "pass")
    assert verdicts["scene"] == "not comparable"
    assert "unknown on a side, so not checked: prompts" in done.stderr


@pytest.mark.parametrize("ranks", ["1 rank", "8 ranks"])
def test_the_official_aggregates_of_one_and_of_several_ranks(tmp_path: Path, ranks: str) -> None:
    """Files that the official code wrote, with stand-in networks; of subject_consistency it writes no frame counts."""
    document = json.loads((Path(__file__).parents[1] / "parity/vbench/ranks.json").read_text())[ranks]
    found = {s.scorer.info.name: s for s in imported(written(tmp_path, document)).summaries if s.value is not None}
    assert {name: summary.value for name, summary in found.items()} == {n: v for n, (v, _) in document.items()}
    without = {name for name, summary in found.items() if summary.interval is None}
    assert without == ({"subject_consistency"} if ranks == "1 rank" else set())
    assert found["appearance_style"].scorer.aggregate == ("" if ranks == "1 rank" else "official_8_ranks")
