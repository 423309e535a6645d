"""Which frames the semantic dimensions look at, in short and long videos."""

from __future__ import annotations

import pytest

from nova_bench.scorers.vbench.middle_frames import middle_frames


@pytest.mark.parametrize(
    ("count", "wanted", "frames"),
    [
        (16, 8, [0, 2, 4, 6, 8, 10, 12, 14]),
        (17, 8, [0, 2, 4, 6, 8, 10, 12, 15]),
        (33, 16, [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 31]),
        (2, 8, [0, 1, 1, 1, 1, 1, 1, 1]),
        (1, 16, [0] * 16),
        (8, 8, list(range(8))),
    ],
)
def test_frames(count: int, wanted: int, frames: list[int]) -> None:
    assert middle_frames(count, wanted) == frames
