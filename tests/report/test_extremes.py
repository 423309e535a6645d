"""Why samples scored as they did: both ends of each metric, with their details."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_bench.config.fields import ScorerSettings
from nova_bench.config.suite import StatisticsSpec
from nova_bench.config.units import Unit
from nova_bench.pipeline.aggregate import SampleScore, summarise
from nova_bench.pipeline.plan import PlannedScorer
from nova_bench.report.extremes import ends, why
from nova_bench.scorers.base import ScorerInfo
from nova_bench.store import Row, Status
from nova_bench.video import write_image


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=12))
def test_both_ends_and_no_sample_in_both(values: list[int]) -> None:
    info = ScorerInfo("m", "", "1", "", (None, None), True, "", "nowhere:Nothing")
    units = [Unit(str(i), str(i), str(i), str(i), 0, 0) for i in range(len(values))]
    rows = [Row(u.digest, "m", "", "m", "1", Status.OK, float(v), 1.0, "") for u, v in zip(units, values, strict=True)]
    scores = tuple(SampleScore(unit, row) for unit, row in zip(units, rows, strict=True))
    (summary,) = summarise(
        [PlannedScorer(info, ScorerSettings(), frozenset(), "m")], [scores], StatisticsSpec(resamples=100)
    )
    low, high = ends(summary)
    if len(set(values)) == 1:
        assert (low, high) == ([], [])
        return
    count = min(3, len(values) // 2)
    assert [score.row.value for score in low] == sorted(values)[:count]
    assert [score.row.value for score in high] == sorted(values, reverse=True)[:count]
    assert not {score.unit.digest for score in low} & {score.unit.digest for score in high}


@pytest.mark.parametrize(
    ("details", "text"),
    [
        (
            {"pair_scores": [0.5, 12.0, 3.0], "threshold": 11.25, "count_needed": 4},
            "pair_scores: 0.5 (at 1 of 3) to 12 (at 2); threshold: 11.25; count_needed: 4",
        ),
        ({"mae": [2.0], "warning": "too small"}, "mae: 2; warning: too small"),
        ({"pair_scores": [], "nested": {"a": 1}, "gaps": [None, 1.0], "flag": True}, ""),
    ],
)
def test_details_in_a_line(details: dict, text: str) -> None:
    assert why(details) == text


def test_a_large_run_lists_both_ends_and_shows_them_in_the_gallery(
    cli: Callable, write_suite: Callable, tmp_path: Path
) -> None:
    suite = write_suite(prompts={"samples_per_prompt": 10, "entries": ["a", "b", "c"]}, report={"gallery": 9})
    assert cli("run", suite).returncode == 0
    (report,) = (tmp_path / "runs").glob("smoke-*/report")
    rows = json.loads((report / "tables/extremes.json").read_text())["rows"]
    assert [row["group"] for row in rows] == ["brightness"] * 6 + ["roughness"] * 6
    brightness = [row["cells"]["value"]["value"] for row in rows[:6]]
    assert brightness[:3] == sorted(brightness[:3])
    assert max(brightness[:3]) < min(brightness[3:])
    assert rows[0]["cells"]["why"]["value"].startswith("frames: 0.")
    page = (report / "index.html").read_text()
    gallery = json.loads(page.split('type="application/json"', 1)[1].split(">", 1)[1].split("</script>", 1)[0])
    shown = {f"{item['prompt']} [{item['index']}]" if item["index"] else item["prompt"] for item in gallery["items"]}
    extreme = {row["cells"]["sample"]["value"] for row in rows}
    assert extreme <= shown


@pytest.mark.parametrize("limit", [0, 9])
def test_the_24_worst_are_the_worst_of_all_samples(
    cli: Callable, write_suite: Callable, tmp_path: Path, limit: int
) -> None:
    """Whatever the limit, unless it is 0."""
    suite = write_suite(prompts={"samples_per_prompt": 14, "entries": ["a", "b", "c"]}, report={"gallery": limit})
    assert cli("run", suite).returncode == 0
    (report,) = (tmp_path / "runs").glob("smoke-*/report")
    page = (report / "index.html").read_text()
    if not limit:
        assert 'type="application/json"' not in page
        return
    gallery = json.loads(page.split('type="application/json"', 1)[1].split(">", 1)[1].split("</script>", 1)[0])
    samples = list(csv.DictReader((report / "samples.csv").open()))
    for index, metric in enumerate(gallery["metrics"]):
        sign = 1 if metric["higher"] else -1
        every = sorted(sign * float(row["value"]) for row in samples if row["metric"] == metric["title"])
        shown = sorted(sign * item["scores"][index] for item in gallery["items"])
        assert len(every) == 42
        assert shown[:24] == pytest.approx(every[:24])


def test_no_table_where_all_samples_say_the_same(cli: Callable, write_suite: Callable, tmp_path: Path) -> None:
    model = {"adapter": "files", "manifest": "list.csv"}
    write_image(tmp_path / "one.png", np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "list.csv").write_text("path,prompt\n" + "".join(f"one.png,{n}\n" for n in range(30)))
    result = cli("run", write_suite(model=model, prompts=None, scorers=["brightness"]))
    assert result.returncode == 0, result.stderr
    assert "Lowest and highest" not in result.stdout
    assert not list(tmp_path.glob("runs/*/report/tables/extremes*"))
