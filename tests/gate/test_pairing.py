"""Pairing: prompt means, weights, filtered metrics, failed samples; baselines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_bench.config.suite import GateSpec
from nova_bench.gate.baseline import new_baseline, read_baseline, write_baseline
from nova_bench.gate.card import MetricCard
from nova_bench.gate.pairing import common_prompts, pair_metric
from nova_bench.gate.side import MetricData, Sample, Side
from nova_bench.store import Status

OK, FAILED, NONE = Status.OK, Status.FAILED, Status.NOT_MEASURABLE


def metric(samples: dict[str, dict[int, Sample]], **changes: Any) -> MetricData:
    plain = MetricData("m", "", 4, True, (0.0, 1.0), False, False, MetricCard("id", "1"), samples)
    return replace(plain, **changes)


def side(metrics: dict[str, MetricData], ids: list[str], **changes: Any) -> Side:
    plain = Side(
        label="model",
        what="run",
        name="run",
        suite="suite",
        title="Title",
        card={"fps": "12", "sampler": {"guidance_scale": 7.0}},
        prompts={prompt: f"text of {prompt}" for prompt in ids},
        texts=dict.fromkeys(ids),
        metrics=metrics,
        counts=dict.fromkeys(ids, 2),
        seed=1,
        requested=2 * len(ids),
    )
    return replace(plain, **changes)


def same(*prompts: str) -> tuple[dict[str, str], dict[str, str]]:
    return {prompt: prompt for prompt in prompts}, {prompt: prompt for prompt in prompts}


def ok(*values: float, weight: float = 1.0) -> dict[int, Sample]:
    return {index: Sample(OK, value, weight) for index, value in enumerate(values)}


def test_prompt_means_are_taken_before_differences() -> None:
    a, b = metric({"p": ok(0.0, 0.5), "q": ok(1.0)}), metric({"p": ok(0.5, 0.5), "q": ok(0.0)})
    columns = pair_metric(a, b, same("p", "q"), "samples", "worst").columns(["p", "q"])
    assert columns.differences.tolist() == [0.25, -1.0]
    # The metric is the mean of three samples, two of which are p's.
    assert columns.shares.tolist() == pytest.approx([2 / 3, 1 / 3])
    assert (columns.value_a, columns.value_b) == (pytest.approx(0.5), pytest.approx(1 / 3))
    assert columns.spread == pytest.approx(0.125)


def test_weights_are_those_of_the_metrics_mean() -> None:
    a = metric({"p": ok(0.0, weight=10), "q": ok(1.0, weight=30)}, weighted=True)
    b = metric({"p": ok(1.0, weight=10), "q": ok(1.0, weight=30)}, weighted=True)
    columns = pair_metric(a, b, same("p", "q"), "samples", "worst").columns(["p", "q"])
    assert columns.shares.tolist() == [0.25, 0.75]
    assert columns.value_a == 0.75


def test_less_is_better_turns_the_sign_and_the_worst_value() -> None:
    a = metric({"p": ok(3.0), "q": ok(5.0)}, higher_is_better=False, range=(0.0, None))
    b = metric({"p": ok(4.0), "q": {0: Sample(FAILED)}}, higher_is_better=False, range=(0.0, None))
    pairs = pair_metric(a, b, same("p", "q"), "samples", "worst")
    assert (pairs.counted_as_worst, pairs.worst) == (1, 5.0)
    assert pairs.columns(["p", "q"]).differences.tolist() == [-1.0, 0.0]
    assert list(pair_metric(a, b, same("p", "q"), "samples", "drop").prompts) == ["p"]


def test_what_one_side_cannot_measure_is_dropped_and_counted() -> None:
    a = metric({"p": ok(1.0, 0.0), "q": {0: Sample(FAILED)}, "r": ok(1.0)})
    b = metric({"p": {0: Sample(NONE), 1: Sample(OK, 1.0)}, "q": ok(1.0), "r": {0: Sample(NONE)}})
    pairs = pair_metric(a, b, same("p", "q", "r"), "samples", "worst")
    assert list(pairs.prompts) == ["p"]
    assert pairs.prompts["p"].indices == (1,)
    assert (pairs.dropped, pairs.counted_as_worst) == (3, 0)


def test_a_filtered_metric_compares_each_sides_own_samples() -> None:
    card = MetricCard("id", "1", keep="filter")
    a = metric({"p": {0: Sample(OK, 0.2), 3: Sample(OK, 0.4)}}, card=card)
    b = metric({"p": {1: Sample(OK, 0.9)}}, card=card)
    columns = pair_metric(a, b, same("p"), "samples", "worst").columns(["p"])
    assert (columns.value_a, columns.value_b) == (pytest.approx(0.3), 0.9)


def test_runs_without_common_ids_pair_by_unique_texts() -> None:
    a = side({}, ["1", "2"], prompts={"1": "a cat", "2": "a dog"})
    b = side({}, ["3", "4"], prompts={"3": "a dog", "4": "a cow"})
    assert common_prompts(a, b) == ({"a dog": "2"}, {"a dog": "3"})
    twice = side({}, ["3", "4"], prompts={"3": "a dog", "4": "a dog"})
    assert common_prompts(a, twice) == ({}, {})


SAMPLES = st.one_of(
    st.builds(lambda value: Sample(OK, value), st.floats(-1e9, 1e9)), st.just(Sample(FAILED)), st.just(Sample(NONE))
)
VALUES = st.dictionaries(
    st.sampled_from("pqrst"), st.dictionaries(st.integers(0, 4), SAMPLES, min_size=1, max_size=3), min_size=1
)


@given(VALUES)
def test_a_baseline_holds_every_sample(tmp_path_factory: pytest.TempPathFactory, samples: dict) -> None:
    path = tmp_path_factory.mktemp("baseline") / "b.json"
    before = side({"m": metric(samples)}, list("pqrst"))
    write_baseline(new_baseline(before, GateSpec(), "2026-01-01T00:00:00+00:00", None), path)
    after = read_baseline(path).as_side("run")
    assert {prompt: dict(found) for prompt, found in after.metrics["m"].samples.items()} == samples
    assert after.metrics["m"].card == before.metrics["m"].card
    assert (after.card, after.prompts, after.counts) == (before.card, before.prompts, before.counts)
