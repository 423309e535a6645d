"""VBench's final scores against rows of the official leaderboard's own arithmetic."""

from __future__ import annotations

import pytest

from nova_bench.protocols.vbench.composite import QUALITY, SEMANTIC, TOTAL

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
