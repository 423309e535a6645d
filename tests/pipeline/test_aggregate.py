"""Means, weights and counts from rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nova_bench
from nova_bench.config.fields import ScorerSettings
from nova_bench.config.suite import StatisticsSpec
from nova_bench.config.units import Unit
from nova_bench.pipeline.aggregate import collect, summarise
from nova_bench.pipeline.plan import PlannedScorer
from nova_bench.scorers.base import Aggregate, ScorerInfo
from nova_bench.store import Artifact, FailedUnit, Row, Status

STATISTICS = StatisticsSpec(resamples=100)


def planned(average: str = "mean", tags: tuple[str, ...] = ()) -> PlannedScorer:
    info = ScorerInfo("metric", "", "1", "", (None, None), True, "", "nowhere:Nothing", average=average)
    return PlannedScorer(info, ScorerSettings(), frozenset(tags), "identity")


def unit(prompt: str, index: int = 0, tags: tuple[str, ...] = ()) -> Unit:
    return Unit(f"{prompt}-{index}", prompt, prompt, prompt, index, 0, tags)


def row(of: Unit, value: float | None, weight: float = 1.0, status: Status = Status.OK, message: str = "") -> Row:
    return Row(f"sha-{of.digest}", "identity", "", "metric", "1", status, value, weight, message)


def artifact(of: Unit) -> Artifact:
    return Artifact(of.digest, f"sha-{of.digest}", Path("x"), 1, False)


def summary_of(scorer: PlannedScorer, units: list[Unit], rows: list[Row], made: dict | None = None):
    made = {u.digest: artifact(u) for u in units} if made is None else made
    scores = collect(units, scorer, made, {r.key: r for r in rows})
    return summarise([scorer], [scores], STATISTICS)[0]


def test_every_sample_is_counted_once_under_what_became_of_it():
    units = [unit("a"), unit("b"), unit("c"), unit("d"), unit("e")]
    rows = [
        row(units[0], 1.0),
        row(units[1], None, status=Status.FAILED, message="broken"),
        row(units[2], None, status=Status.NOT_MEASURABLE, message="one frame"),
    ]
    made = {u.digest: artifact(u) for u in units[:3]} | {"d-0": FailedUnit("d-0", "out of paint")}
    summary = summary_of(planned(), units, rows, made)
    assert (summary.n_requested, summary.n_ok, summary.n_failed) == (5, 1, 2)
    assert (summary.n_not_measurable, summary.n_missing) == (1, 1)
    assert summary.value == 1.0
    assert summary.interval is None  # one prompt says nothing about others
    assert [score.problem for score in summary.samples] == ["", "", "", "out of paint", ""]


def test_weighted_metrics_average_over_frames_and_others_over_samples():
    units = [unit("a"), unit("b")]
    rows = [row(units[0], 0.0, weight=1), row(units[1], 1.0, weight=3)]
    assert summary_of(planned("weighted"), units, rows).value == pytest.approx(0.75)
    assert summary_of(planned("mean"), units, rows).value == pytest.approx(0.5)


def test_nothing_measured_is_no_number():
    units = [unit("a")]
    assert summary_of(planned(), units, []).value is None
    assert summary_of(planned(), units, [row(units[0], None, status=Status.FAILED)]).value is None


def test_a_scorer_sees_only_samples_with_its_tags():
    units = [unit("a", tags=("moving",)), unit("b", tags=("still",)), unit("c")]
    rows = [row(u, float(index)) for index, u in enumerate(units)]
    assert summary_of(planned(tags=("still",)), units, rows).value == 1.0
    assert summary_of(planned(tags=("other",)), units, rows).n_requested == 0


@given(
    st.lists(st.tuples(st.integers(0, 5), st.floats(-10, 10), st.floats(0.5, 9)), min_size=1, max_size=30), st.randoms()
)
def test_order_of_samples_does_not_matter(entries, random):
    """Value exactly as a float allows; interval exactly, since prompts are resampled in the order of first sight."""
    units = [unit(f"p{prompt}", index) for index, (prompt, _, _) in enumerate(entries)]
    rows = [row(u, value, weight) for u, (_, value, weight) in zip(units, entries, strict=True)]
    summary = summary_of(planned("weighted"), units, rows)
    shuffled = list(units)
    random.shuffle(shuffled)
    again = summary_of(planned("weighted"), shuffled, rows)
    assert again.value == pytest.approx(summary.value, abs=1e-9)
    assert again.n_ok == summary.n_ok


def test_another_aggregate_counts_videos_alike_or_their_last_frame() -> None:
    units = [unit("a"), unit("b")]
    frames = {"a-0": [0.25, 0.5], "b-0": [0.5, 1.0, 0.0, 0.125]}
    rows = [
        replace(row(of, sum(series) / len(series), len(series)), details={"f": series})
        for of, series in ((of, frames[of.digest]) for of in units)
    ]
    own = planned("weighted")
    info = replace(own.info, aggregates={"videos": Aggregate("", "mean"), "last": Aggregate("", "mean", "f")})
    values = {
        name: summary_of(replace(own, info=info.aggregated(name), aggregate=name), units, rows).value
        for name in ("", "videos", "last")
    }
    assert values == {"": 2.375 / 6, "videos": (0.375 + 0.40625) / 2, "last": (0.5 + 0.125) / 2}


def test_a_suite_names_the_aggregate(cli: Callable, write_suite: Callable, tmp_path: Path) -> None:
    def value(name: str) -> tuple[float, list[str]]:
        chosen = {} if name == "own" else {"aggregate": name}
        suite = write_suite(title=name, scorers=[{"name": "brightness", **chosen}])
        result = cli("run", suite, "--store", name)
        assert result.returncode == 0, result.stderr
        (path,) = (tmp_path / name).glob("smoke-*/report/tables/metrics.json")
        table = json.loads(path.read_text())
        return table["rows"][0]["cells"]["value"]["value"], table["notes"]

    own, _ = value("own")
    last, notes = value("last_frame")
    frame = nova_bench.load(next((tmp_path / "own").glob("smoke-*"))).to_frame()
    assert own == pytest.approx(frame["value"].mean())  # all videos have the same length
    assert last == pytest.approx(sum(details["frames"][-1] for details in frame["details"]) / len(frame))
    assert "brightness: the last frame only (aggregate last_frame)." in notes
    unknown = cli("plan", write_suite(scorers=[{"name": "brightness", "aggregate": "last_frames"}]))
    assert unknown.returncode == 2
    assert "scorer brightness: unknown aggregate 'last_frames'; did you mean 'last_frame'?" in unknown.stderr
    other = cli("plan", write_suite(scorers=[{"name": "roughness", "aggregate": "videos"}]))
    assert "scorer roughness: unknown aggregate 'videos'" in other.stderr
    assert "the scorer has only one" in other.stderr
