"""VBench's final scores against rows of the official leaderboard's own arithmetic."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from nova_bench.config.catalog import COMPOSITES
from nova_bench.config.fields import ScorerSettings
from nova_bench.config.suite import StatisticsSpec
from nova_bench.config.units import Unit
from nova_bench.pipeline.aggregate import SampleScore, summarise
from nova_bench.pipeline.composite import composite_scores
from nova_bench.pipeline.plan import PlannedScorer
from nova_bench.protocols.vbench.composite import QUALITY, SEMANTIC, TOTAL
from nova_bench.scorers.base import ScorerInfo
from nova_bench.store import Row, Status

OFFICIAL = json.loads((Path(__file__).parents[2] / "parity/vbench/final_scores.json").read_text())["cases"]

BEST = {part.metric: part.high for metric in (QUALITY, SEMANTIC) for part in metric.parts}
WORST = {part.metric: part.low for metric in (QUALITY, SEMANTIC) for part in metric.parts}


def total(values: dict[str, float]) -> float:
    return TOTAL.value({QUALITY.name: QUALITY.value(values), SEMANTIC.name: SEMANTIC.value(values)})


def test_the_normalization_spans_zero_to_one() -> None:
    for values, expected in ((WORST, 0.0), (BEST, 1.0)):
        assert QUALITY.value(values) == pytest.approx(expected, abs=1e-12)
        assert SEMANTIC.value(values) == pytest.approx(expected, abs=1e-12)
        assert total(values) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("metric", "share"),
    [("subject_consistency", 1 / 6.5), ("dynamic_degree", 0.5 / 6.5), ("motion_smoothness", 1 / 6.5)],
)
def test_a_quality_dimension_counts_with_its_weight(metric: str, share: float) -> None:
    assert QUALITY.value({**WORST, metric: BEST[metric]}) == pytest.approx(share)
    assert total({**WORST, metric: BEST[metric]}) == pytest.approx(share * 4 / 5)


def test_a_semantic_dimension_counts_one_ninth_of_a_fifth() -> None:
    for part in SEMANTIC.parts:
        assert total({**WORST, part.metric: part.high}) == pytest.approx(1 / 45)


def test_a_worked_example() -> None:
    """By hand: norm = (x - min) / (max - min); quality = sum(norm * w) / 6.5."""
    values = {
        "subject_consistency": 0.95,
        "background_consistency": 0.96,
        "temporal_flickering": 0.98,
        "motion_smoothness": 0.97,
        "aesthetic_quality": 0.55,
        "imaging_quality": 0.65,
        "dynamic_degree": 0.25,
    }
    norms = [
        (0.95 - 0.1462) / 0.8538,
        (0.96 - 0.2615) / 0.7385,
        (0.98 - 0.6293) / 0.3707,
        (0.97 - 0.706) / 0.2915,
        0.55,
        0.65,
        0.25 * 0.5,
    ]
    assert QUALITY.value(values) == pytest.approx(sum(norms) / 6.5)


def test_nothing_is_clipped() -> None:
    assert SEMANTIC.value({**BEST, "scene": 2 * 0.8222}) == pytest.approx(10 / 9)


@pytest.mark.parametrize("case", range(len(OFFICIAL)))
def test_the_official_script_computes_the_same(case: int) -> None:
    found = OFFICIAL[case]
    assert QUALITY.value(found["values"]) == pytest.approx(found["quality"], abs=1e-12)
    assert SEMANTIC.value(found["values"]) == pytest.approx(found["semantic"], abs=1e-12)
    assert total(found["values"]) == pytest.approx(found["total"], abs=1e-12)


def test_the_totals_interval_draws_each_prompt_once_for_all_of_its_dimensions() -> None:
    """Compares with a loop over resamples, prompts and samples, in which a drawn prompt counts for all dimensions."""
    generator = np.random.default_rng(16)
    names = [part.metric for part in (*QUALITY.parts, *SEMANTIC.parts)]
    prompts, statistics = 30, StatisticsSpec(resamples=100, seed=5)
    # Two samples of each prompt; every prompt belongs to about two thirds of the dimensions.
    owned = {name: [p for p in range(prompts) if generator.random() < 0.7] for name in names}
    scores = {(name, p, i): generator.random() for name in names for p in owned[name] for i in range(2)}
    frames = {key: int(generator.integers(1, 9)) for key in scores}
    weighted = {"subject_consistency", "background_consistency", "appearance_style"}

    scorers, samples = [], []
    for name in names:
        average = "weighted" if name in weighted else "mean"
        info = ScorerInfo(name, "", "1", "", (None, None), True, "", "nowhere:Nothing", average=average)
        scorers.append(PlannedScorer(info, ScorerSettings(), frozenset(), name))
        found = []
        for _, p, i in (key for key in scores if key[0] == name):
            key, unit = (name, p, i), Unit(f"{p}-{i}", str(p), str(p), str(p), i, 0)
            row = Row(unit.digest, name, "", name, "1", Status.OK, scores[key], float(frames[key]))
            found.append(SampleScore(unit, row))
        samples.append(tuple(found))
    order = list(dict.fromkeys(int(score.unit.prompt_id) for found in samples for score in found))
    summaries = summarise(scorers, samples, statistics)
    composites = composite_scores([QUALITY, SEMANTIC, TOTAL], summaries, statistics, COMPOSITES.all())

    def totals(drawn: list[int]) -> tuple[float, float, float]:
        values = {}
        for name in names:
            numerator = denominator = 0.0
            for p in drawn:
                for i in range(2):
                    if (name, p, i) in scores:
                        weight = frames[name, p, i] if name in weighted else 1
                        numerator += scores[name, p, i] * weight
                        denominator += weight
            values[name] = numerator / denominator
        return QUALITY.value(values), SEMANTIC.value(values), total(values)

    assert [score.value for score in composites] == pytest.approx(totals(order), abs=1e-12)
    draws = np.random.default_rng(statistics.seed).integers(prompts, size=(statistics.resamples, prompts))
    resampled = np.array([totals([order[p] for p in drawn]) for drawn in draws])
    for composite, values in zip(composites, resampled.T, strict=True):
        n = composite.n_prompts
        tail = stats.norm.cdf(stats.t.ppf(0.025, n - 1) * (n / (n - 1)) ** 0.5)
        assert composite.interval == pytest.approx(tuple(np.quantile(values, [tail, 1 - tail])), abs=1e-12)
