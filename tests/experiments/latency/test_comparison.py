"""What measuring costs: ratios of blocks, their interval, the verdict, and the row that is chosen."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_bench.experiments.latency.comparison import Comparison, comparison_point, heaviest_row
from nova_bench.experiments.latency.plan import LatencyPlan, Point, make_latency_plan
from nova_bench.experiments.latency.spec import LatencySuite, OverheadSpec
from nova_bench.experiments.latency.store import Measured
from nova_bench.models.nova import NovaSpec
from nova_bench.store import Row, Status


def compared(pairs: list[tuple[float, float]], clock: str = "processor") -> Comparison:
    """Blocks whose calls take (with, without) seconds by ``clock``, and wall times that say the opposite."""
    wall = {"with": [1.0, 1.0], "without": [9.0, 9.0]}
    return Comparison(
        {"blocks": [{"wall": wall, clock: {"with": [a, a], "without": [b, b]}} for a, b in pairs], "setting": {}}
    )


def plan_of(**measure: object) -> LatencyPlan:
    suite = LatencySuite(
        name="x",
        title="x",
        model=NovaSpec(adapter="nova", checkpoint="miniature", random_weights=True),
        setting={"num_frames": 17, "batch_size": 2},
        rows=[{"label": "a"}, {"label": "b", "setting": {"kv_cache": False}}],
        measure=measure,
    )
    return make_latency_plan(suite, lambda path: "")


@pytest.mark.parametrize(
    ("pairs", "verdict"),
    [
        ([(1.001, 1.0)] * 6, "below 1%: shown"),
        ([(1.001, 1.0)] * 5, "below 1% not shown: too few blocks"),
        ([(1.02, 1.0)] * 6, "above 1%"),
        ([(1.001, 1.0)] * 5 + [(1.03, 1.0)], "below 1% not shown: the interval reaches 3.00%"),
        ([(1.0, 1.0), (0.99, 1.0), (1.0, 1.0)] * 20 + [(2.0, 1.0)], "below 1%: shown"),
    ],
)
def test_the_verdict_is_the_intervals(pairs, verdict):
    comparison = compared(pairs)
    assert comparison.clock == "processor"
    assert comparison.verdict == verdict
    assert comparison.shown == (verdict == "below 1%: shown")


def test_without_processor_time_the_verdict_is_about_wall_time():
    comparison = compared([(1.001, 1.0)] * 6, clock="wall")
    assert comparison.clock == "wall"
    assert comparison.cost("wall") == pytest.approx(0.001)


@given(st.floats(-0.02, 0.05), st.integers(0, 1000))
def test_a_load_that_slows_every_call_of_a_block_changes_nothing(cost, seed):
    draw = random.Random(seed)
    loads = [draw.uniform(1, 10) for _ in range(9)]
    comparison = compared([((1 + cost) * load, load) for load in loads])
    assert comparison.cost("processor") == pytest.approx(cost)
    assert comparison.interval("processor") == pytest.approx((cost, cost))


def test_the_row_whose_stopwatch_weighs_most_is_compared_in_short_calls():
    plan = plan_of()

    def measured(point: Point, regions: int) -> Measured:
        details = {"setting": {"batch_size": 2}, "observed": [{"total": 1.0}], "regions": regions,
                   "seconds_per_region": 1e-6}  # fmt: skip
        return Measured(Row(point.digest, "", "", "latency", "3", Status.OK, 1.0, details=details))

    first, second = plan.points
    assert heaviest_row(plan, {}) is None
    assert heaviest_row(plan, {first.digest: measured(first, 5)}).label == "a"
    row = heaviest_row(plan, {first.digest: measured(first, 5), second.digest: measured(second, 9)})
    assert row.label == "b"
    point = comparison_point(plan, row, OverheadSpec(batch_size=4))
    assert (point.setting["num_frames"], point.setting["batch_size"], point.setting["kv_cache"]) == (5, 2, False)
    assert point.digest not in {first.digest, second.digest}
    assert comparison_point(plan, row, OverheadSpec(num_frames=None)).setting["num_frames"] == 17


def test_another_comparison_measures_no_row_anew():
    assert plan_of().identity == plan_of(overhead=None).identity == plan_of(overhead={"seconds": 1}).identity
    assert plan_of().identity != plan_of(repeats=4).identity
