"""What is made of the calls: per video, medians, closure, cost, doubts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_bench.experiments.latency.summary import ALL_PARTS, Times, coverage

SECONDS = st.floats(1e-4, 1e3)


def details(observed, batch=2, regions=10, each=1e-6):
    return {
        "setting": {"batch_size": batch},
        "observed": observed,
        "regions": regions,
        "seconds_per_region": each,
        "flops": dict.fromkeys(ALL_PARTS, 100),
        "matmul": {"flops_per_second": 400.0},
    }


CALL = {"text": 1.0, "temporal": 1.0, "spatial": 4.0, "head": 1.0, "vae": 2.0, "total": 10.0}


def test_times_are_per_video():
    times = Times(details([CALL, {**CALL, "total": 12.0}]))
    assert times.total == 5.5
    assert times.total_spread.interval == (5.0, 6.0)
    assert times.part("spatial", "head").value == 2.5
    assert times.part("other").value == 1.0
    assert times.part("other").interval == (0.5, 1.5)
    assert times.closure == pytest.approx(9 / 11 - 1)
    assert times.rate("spatial") == 50.0
    assert times.share_of_bound("spatial") == 0.125
    assert times.cost == pytest.approx(1e-5 / 11)


def test_what_cannot_be_believed_says_so():
    whole = {**CALL, "vae": 2.9}
    assert Times(details([whole])).doubts == []
    assert Times(details([whole])).total_spread.interval is None
    assert "the named parts add up to 90.0% of the total" in Times(details([CALL])).doubts[0]
    assert "takes 2.0% of the time" in Times(details([whole], regions=1000, each=2e-4)).doubts[0]


def test_a_busy_machine_does_not_open_the_sum():
    """Bursts of other work hit another part in each call."""
    calm = {**CALL, "vae": 3.0}
    times = Times(details([calm, {**calm, "spatial": 7.0, "total": 13.0}, {**calm, "vae": 6.5, "total": 13.5}]))
    assert (times.total, times.part("spatial").value, times.part("vae").value) == (6.5, 3.5, 1.5)
    assert times.part("spatial").interval == (2.0, 3.5)
    assert times.part_alone("spatial").value == 2.0
    assert times.closure == pytest.approx(0)
    assert times.doubts == []


@given(st.lists(st.tuples(*[SECONDS] * 5, SECONDS), min_size=1, max_size=5), st.integers(1, 8))
def test_parts_and_other_make_the_total_of_a_call(calls, batch):
    names = ("text", "temporal", "spatial", "head", "vae")
    observed = [{**dict(zip(names, parts, strict=True)), "total": sum(parts) + rest} for *parts, rest in calls]
    times = Times(details(observed[:1], batch))
    assert sum(times.part(part).value for part in ALL_PARTS) == pytest.approx(times.total)
    several = Times(details(observed, batch))
    assert sum(several.part(part).value for part in ALL_PARTS) == pytest.approx(several.total)
    for part in ALL_PARTS if len(calls) > 1 else ():
        low, high = several.part(part).interval
        assert low - 1e-9 <= several.part(part).value <= high + 1e-9


def test_coverage_of_the_range():
    assert coverage(1) == 0
    assert coverage(5) == 0.9375
