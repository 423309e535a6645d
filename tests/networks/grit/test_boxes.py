"""Suppression and ROIAlign against their definitions, written out."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from torch import Tensor

from nova_bench.networks.grit import boxes as boxes_module
from nova_bench.networks.grit.boxes import areas, clipped, overlaps, suppressed
from nova_bench.networks.grit.proposals import Boxes, best_of_levels
from nova_bench.networks.grit.roi_align import level_of, pooled, roi_align

corners = st.integers(0, 12)
several = st.lists(st.tuples(corners, corners, corners, corners, st.integers(0, 4)), min_size=1, max_size=25)


def made(drawn: list[tuple[int, ...]]) -> tuple[Tensor, Tensor]:
    """Boxes with at least one pixel, and scores of which many are equal."""
    rows = [(min(a, c), min(b, d), max(a, c) + 1, max(b, d) + 1) for a, b, c, d, _ in drawn]
    return torch.tensor(rows, dtype=torch.float32), torch.tensor([row[-1] / 4 for row in drawn])


@given(several, st.sampled_from([0.3, 0.5, 0.9]))
def test_a_box_stays_unless_a_better_one_that_stays_covers_it(drawn: list[tuple[int, ...]], threshold: float) -> None:
    boxes, scores = made(drawn)
    stays: list[int] = []
    for index in sorted(range(len(boxes)), key=lambda i: -scores[i].item()):  # stable: the first of equals first
        if all(iou(boxes[index], boxes[other]) <= threshold for other in stays):
            stays.append(index)
    assert suppressed(boxes, scores, threshold, len(boxes)).tolist() == stays


@given(several, st.integers(1, 6))
def test_it_ends_early_after_the_last_wanted_score(drawn: list[tuple[int, ...]], wanted: int) -> None:
    boxes, scores = made(drawn)
    everything = suppressed(boxes, scores, 0.5, len(boxes)).tolist()
    some = suppressed(boxes, scores, 0.5, wanted).tolist()
    assert some == everything[: len(some)]
    rest = everything[len(some) :]
    assert not rest or len(some) >= wanted
    assert all(scores[index] < scores[some[wanted - 1]] for index in rest)


def iou(box: Tensor, other: Tensor) -> float:
    across, down = (max(0, min(box[k + 2], other[k + 2]) - max(box[k], other[k])) for k in (0, 1))
    return float(across * down / (areas(box) + areas(other) - across * down))


def test_compiled_suppression_is_used_if_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes, scores = torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([0.7])
    monkeypatch.setattr(boxes_module, "compiled_suppression", lambda: lambda *given: torch.tensor([5]))
    assert suppressed(boxes, scores, 0.5, 1).tolist() == [5]


def test_all_that_share_the_last_score_are_proposals() -> None:
    places = torch.arange(300, dtype=torch.float32)[:, None] * 10
    boxes = torch.cat([places, places, places + 5, places + 5], dim=1)
    scores = torch.cat([torch.full((250,), 0.9), torch.full((30,), 0.5), torch.full((20,), 0.4)])
    found = best_of_levels([Boxes(boxes[:100], scores[:100]), Boxes(boxes[100:], scores[100:])])
    assert found.scores.tolist() == scores[:280].tolist()


def test_nothing_found_is_no_error() -> None:
    nothing = Boxes(torch.zeros(0, 4), torch.zeros(0))
    assert len(best_of_levels([nothing, nothing])) == 0
    maps = [torch.zeros(1, 3, size, size) for size in (8, 4, 2)]
    assert pooled(maps, [nothing.boxes], 7).shape == (0, 49, 3)
    assert overlaps(torch.zeros(4), torch.zeros(0, 4)).shape == (0,)


def test_boxes_end_at_the_border() -> None:
    boxes = torch.tensor([[-3.0, -2.0, 30.0, 40.0], [50.0, 1.0, 60.0, 2.0]])
    assert clipped(boxes, 20, 10).tolist() == [[0, 0, 10, 20], [10, 1, 10, 2]]


def test_a_boxs_size_decides_which_map_it_reads() -> None:
    sides = torch.tensor([1.0, 111.0, 112.0, 223.0, 224.0, 447.0, 448.0, 5000.0])
    boxes = torch.stack([torch.zeros(8), torch.zeros(8), sides, sides], dim=1)
    assert level_of(boxes).tolist() == [0, 0, 0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("bins", [2, 7])
def test_roi_align_is_the_mean_of_samples(bins: int) -> None:
    generator = torch.Generator().manual_seed(3)
    values = torch.randn(2, 3, 9, 11, generator=generator)
    low = torch.rand(40, 2, generator=generator) * 120 - 30
    boxes = torch.cat([low, low + torch.rand(40, 2, generator=generator) * 90], dim=1)
    boxes[0], boxes[1] = torch.tensor([5.0, 5.0, 5.0, 30.0]), torch.tensor([-400.0, 0.0, -300.0, 9.0])  # empty; outside
    images = torch.arange(40) % 2
    got = roi_align(values, boxes, images, 1 / 8, bins)
    for box, image, features in zip(boxes, images, got, strict=True):
        expected = by_definition(values[image].double().numpy(), box.double().numpy() / 8, bins)
        assert np.allclose(features.numpy(), expected, atol=2e-5)


def by_definition(values: np.ndarray, box: np.ndarray, bins: int) -> np.ndarray:
    left, top, right, bottom = box - 0.5
    width, height = (right - left) / bins, (bottom - top) / bins
    across, down = math.ceil(width), math.ceil(height)
    result = np.zeros((bins**2, len(values)))
    for row in range(bins):
        for column in range(bins):
            for y in range(down):
                for x in range(across):
                    place = (top + (row + (y + 0.5) / down) * height, left + (column + (x + 0.5) / across) * width)
                    result[row * bins + column] += sample(values, *place) / (across * down)
    return result


def sample(values: np.ndarray, y: float, x: float) -> np.ndarray:
    rows, columns = values.shape[1:]
    if y < -1 or y > rows or x < -1 or x > columns:
        return np.zeros(len(values))
    y, x = min(max(y, 0), rows - 1), min(max(x, 0), columns - 1)
    above, before = int(y), int(x)
    below, after = min(above + 1, rows - 1), min(before + 1, columns - 1)
    upper = values[:, above, before] * (1 - (x - before)) + values[:, above, after] * (x - before)
    lower = values[:, below, before] * (1 - (x - before)) + values[:, below, after] * (x - before)
    return upper * (1 - (y - above)) + lower * (y - above)
