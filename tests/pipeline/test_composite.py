"""Final scores: from means, with intervals that know how the parts vary together."""

from __future__ import annotations

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
from nova_bench.core.intervals import Method
from nova_bench.pipeline.aggregate import SampleScore, summarise
from nova_bench.pipeline.composite import CompositeSummary, composite_scores, leaf_metrics
from nova_bench.pipeline.plan import PlannedScorer
from nova_bench.protocols.base import Composite, Part, Threshold
from nova_bench.report.thresholds import by_interval, by_rule
from nova_bench.scorers.base import ScorerInfo
from nova_bench.store import Row, Status

STATISTICS = StatisticsSpec(resamples=300)
MEAN = Composite("mean", "", (Part("x", 0.0, 2.0, weight=1.0), Part("y", 1.0, 3.0, weight=3.0)), "")
OUTER = Composite("outer", "", (Part("mean", weight=4.0), Part("z")), "")
KNOWN = {"mean": MEAN, "outer": OUTER}


def summaries(binary: str = "", **values: list[float]):
    """Summaries of metrics whose values belong to prompts 0, 1, ...; all on the same samples. ``binary`` names one."""
    scorers, samples = [], []
    for name, own in values.items():
        info = ScorerInfo(name, "", "1", "", (None, None), True, "", "nowhere:Nothing", binary=name == binary)
        scorers.append(PlannedScorer(info, ScorerSettings(), frozenset(), name))
        scores = []
        for index, value in enumerate(own):
            unit = Unit(str(index), str(index), str(index), str(index), 0, 0)
            scores.append(SampleScore(unit, Row(unit.digest, name, "", name, "1", Status.OK, value, 1.0, "")))
        samples.append(tuple(scores))
    return summarise(scorers, samples, STATISTICS)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 2), st.floats(1, 3), st.floats(0, 1)), min_size=2, max_size=9))
def test_it_is_the_weighted_mean_of_normalized_means(rows) -> None:
    x, y, z = (list(column) for column in zip(*rows, strict=True))
    mean, outer = composite_scores([MEAN, OUTER], summaries(x=x, y=y, z=z), STATISTICS, KNOWN)
    inner = (np.mean(x) / 2 + 3 * (np.mean(y) - 1) / 2) / 4
    assert mean.value == pytest.approx(inner)
    assert outer.value == pytest.approx((4 * inner + np.mean(z)) / 5)
    for score in (mean, outer):
        if score.interval is None:
            assert score.method == Method.EQUAL
        else:
            assert score.interval[0] < score.value < score.interval[1]
            assert score.method == (Method.T if len(rows) < 8 else Method.BOOTSTRAP)
        assert score.n_prompts == len(rows)


def test_intervals_know_that_parts_vary_together() -> None:
    """y falls exactly as x rises: their sum is certain, though each of them is not."""
    x = [0.0, 2.0, 0.5, 1.5, 1.0, 0.2]
    same = Composite("same", "", (Part("x", 0.0, 2.0), Part("y", 0.0, 2.0)), "")
    opposed = summaries(x=x, y=[2 - value for value in x])
    assert opposed[0].interval[1] - opposed[0].interval[0] > 0.2
    (score,) = composite_scores([same], opposed, STATISTICS, {"same": same})
    assert score.value == pytest.approx(0.5)
    assert (score.interval, score.method) == (None, Method.EQUAL)  # no spread says nothing of other prompts


def test_of_one_part_it_has_that_parts_interval() -> None:
    single = Composite("single", "", (Part("x", 0.0, 2.0),), "")
    (x,) = summaries(x=[0.1, 0.7, 1.9, 1.2])
    (score,) = composite_scores([single], [x], STATISTICS, {"single": single})
    assert score.interval == pytest.approx((x.interval[0] / 2, x.interval[1] / 2))


def test_a_part_of_zeros_and_ones_that_are_all_one_is_not_taken_for_certain() -> None:
    """Ten of ten: the composite reaches down by as much as the part's own interval does, and not up."""
    x = [0.1 * index for index in range(10)]
    both = Composite("both", "", (Part("x"), Part("moved")), "")
    moved = [1.0] * 10
    certain, uncertain = summaries(x=x, moved=moved), summaries(x=x, moved=moved, binary="moved")
    (narrow,), (wide,) = (composite_scores([both], found, STATISTICS, {"both": both}) for found in (certain, uncertain))
    assert wide.interval[1] == narrow.interval[1]
    below = wide.value - narrow.interval[0], (1 - uncertain[1].interval[0]) / 2
    assert wide.value - wide.interval[0] == pytest.approx(np.hypot(*below))
    alone = Composite("alone", "", (Part("moved", 0.0, 2.0),), "")
    (score,) = composite_scores([alone], uncertain, STATISTICS, {"alone": alone})
    assert score.interval == pytest.approx((uncertain[1].interval[0] / 2, 0.5))


def test_the_part_with_the_fewest_prompts_decides_on_the_method() -> None:
    x, y = [0.1 * index for index in range(20)], [1.0, 3.0, 2.0, 2.5]
    mean, *_ = composite_scores([MEAN], summaries(x=x, y=y), STATISTICS, KNOWN)
    assert (mean.method, mean.n_prompts) == (Method.T, 4)


def test_without_a_part_there_is_no_number_but_the_names_of_what_lacks() -> None:
    mean, outer = composite_scores([MEAN, OUTER], summaries(x=[1.0, 2.0], z=[0.0, 1.0]), STATISTICS, KNOWN)
    assert (mean.value, mean.interval, mean.needs) == (None, None, ("y",))
    assert (outer.value, outer.interval, outer.needs) == (None, None, ("y",))
    assert leaf_metrics(OUTER, KNOWN) == ("x", "y", "z")


def test_one_prompt_has_a_value_and_no_interval() -> None:
    (score,) = composite_scores([MEAN], summaries(x=[1.0], y=[2.0]), STATISTICS, KNOWN)
    assert (score.value, score.interval) == (0.5, None)


# Through the command line: a third party's final score ---------------------------------------------------------------


def cells(tmp_path: Path, table: str = "metrics") -> dict[str, dict]:
    (path,) = (tmp_path / "runs").glob(f"smoke-*/report/tables/{table}.json")
    return {row["cells"]["metric"]["value"]: row["cells"] for row in json.loads(path.read_text())["rows"]}


def test_a_final_score_stands_below_its_metrics_beside_the_published_one(
    cli: Callable, write_suite: Callable, tmp_path: Path
) -> None:
    published = [{"label": "Paper", "source": "Table 1", "values": {"overall": 0.4}}]
    result = cli("run", write_suite(derived=["overall"], published=published))
    assert result.returncode == 0, result.stderr
    found = cells(tmp_path)
    assert list(found) == ["brightness", "roughness", "overall"]
    brightness, roughness = found["brightness"]["value"]["value"], found["roughness"]["value"]["value"]
    assert found["overall"]["value"]["value"] == pytest.approx((3 * brightness + roughness / 255) / 4)
    assert found["overall"]["value"]["ci"][0] < found["overall"]["value"]["value"]
    assert found["overall"]["published0"]["value"] == 0.4
    made_of = cells(tmp_path, "final_scores")
    assert list(made_of) == ["brightness", "roughness", "overall"]
    assert (made_of["roughness"]["range"]["value"], made_of["roughness"]["weight"]["value"]) == ("0 to 255", "1")
    assert made_of["brightness"]["weight"]["value"] == "3"
    assert made_of["roughness"]["normalized"]["value"] == pytest.approx(roughness / 255)
    assert made_of["overall"]["normalized"]["value"] == found["overall"]["value"]["value"]


def test_a_final_score_without_its_metrics_says_which(cli: Callable, write_suite: Callable, tmp_path: Path) -> None:
    result = cli("run", write_suite(derived=["overall"], scorers=["brightness"]))
    assert result.returncode == 0, result.stderr  # everything that the suite measures has its number
    cell = cells(tmp_path)["overall"]["value"]
    assert cell.get("value") is None
    assert cell["note"] == "not computed: needs roughness"
    made_of = cells(tmp_path, "final_scores")
    assert made_of["brightness"]["normalized"]["value"] > 0
    assert made_of["roughness"]["normalized"]["note"] == "not computed: this suite has no scorer of that name"
    assert made_of["overall"]["normalized"]["note"] == "not computed: no value of roughness"


def test_a_final_score_of_incomplete_metrics_says_so(cli: Callable, write_suite: Callable, tmp_path: Path) -> None:
    suite = write_suite(derived=["overall"], model={"adapter": "drift", "fail_on": "dog"})
    assert cli("run", suite).returncode == 3
    cell = cells(tmp_path)["overall"]["value"]
    assert cell["note"] == "some samples lack brightness, roughness"
    assert (cell["n_ok"], cell["n_requested"]) == (4, 6)


def test_an_unknown_final_score_is_an_error_in_its_line(cli: Callable, write_suite: Callable) -> None:
    result = cli("plan", write_suite(derived=["vbench_totl"]))
    assert result.returncode == 2
    assert "unknown composite score 'vbench_totl'; did you mean 'vbench_total'?" in result.stderr


def test_a_threshold_stands_beside_the_score(cli: Callable, write_suite: Callable, tmp_path: Path) -> None:
    prompts = {"samples_per_prompt": 1, "entries": [f"prompt {number}" for number in range(8)]}
    suite = write_suite(derived=["scaled"], prompts=prompts, model={"adapter": "drift", "darker": 12})
    assert cli("run", suite).returncode == 0
    value, found = cells(tmp_path)["scaled"]["value"], cells(tmp_path, "thresholds")["scaled"]
    assert value["ci"][0] < 45 < value["value"]
    assert (found["rule"]["value"], found["least"]["value"]) == ("pass", 45)
    assert found["by_interval"]["value"] == "inconclusive"


@pytest.mark.parametrize(
    ("value", "interval", "rule", "verdict"),
    [
        (0.6, (0.5, 0.7), "pass", "pass"),
        (0.6, (0.4, 0.7), "pass", "inconclusive"),
        (0.4, (0.3, 0.6), "fail", "inconclusive"),
        (0.4, (0.3, 0.49), "fail", "fail"),
        (0.5, None, "pass", "inconclusive"),
        (None, None, None, None),
    ],
)
def test_the_rule_looks_at_the_value_and_the_interval_may_disagree(
    value: float | None, interval: tuple[float, float] | None, rule: str | None, verdict: str | None
) -> None:
    threshold = Threshold(0.5, 0.6, "", "")
    assert by_rule(value, threshold) == rule
    assert by_interval(CompositeSummary(MEAN, value, interval, (), (), 1, 1), threshold) == verdict
