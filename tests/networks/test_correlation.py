"""Correlation computed where it is looked up is that of all pairs, at any size and however far lookups go."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_bench.kernels.simd.library import library
from nova_bench.networks import correlation
from nova_bench.networks.correlation import AllPairs, Windowed, bytes_kept, position_grid
from nova_bench.networks.raft import bytes_per_pair

SIDES = st.integers(16, 40)  # from where the coarsest level has two rows


def drawn(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=60, deadline=None)
@given(
    batch=st.integers(1, 2),
    height=SIDES,
    width=SIDES,
    radius=st.integers(3, 4),
    reach=st.sampled_from([0.0, 0.4, 3.0, 60.0, 1e9]),
    channels_last=st.booleans(),
    compiled=st.booleans(),
    seed=st.integers(0, 9),
)
def test_windowed_equals_all_pairs(
    batch: int, height: int, width: int, radius: int, reach: float, channels_last: bool, compiled: bool, seed: int
) -> None:
    maps = drawn(seed, 2, batch, 12, height, width)
    first, second = (x.contiguous(memory_format=torch.channels_last) if channels_last else x for x in maps)
    positions = position_grid(batch, height, width, first.device) + reach * drawn(seed + 1, batch, 2, height, width)
    with pytest.MonkeyPatch.context() as patch:
        if not compiled:
            patch.setattr(correlation, "library", lambda: None)
        expected, actual = (kind(first, second).samples(positions, radius) for kind in (AllPairs, Windowed))
    torch.testing.assert_close(actual, expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize(("height", "width"), [(15, 24), (24, 15), (8, 40)])
def test_a_level_of_one_row_gives_nan_either_way(height: int, width: int) -> None:
    first, second = drawn(0, 2, 1, 12, height, width)
    positions = position_grid(1, height, width, first.device)
    expected, actual = (kind(first, second).samples(positions, 4) for kind in (AllPairs, Windowed))
    assert expected.isnan().any()
    torch.testing.assert_close(actual, expected, rtol=0, atol=2e-4, equal_nan=True)


def test_positions_that_are_not_numbers_spoil_no_others() -> None:
    first, second = drawn(0, 2, 1, 12, 20, 24)
    positions = position_grid(1, 20, 24, first.device).clone()
    positions[0, 0, 3, 5], positions[0, 1, 3, 6] = float("nan"), float("inf")
    expected, actual = (kind(first, second).samples(positions, 4) for kind in (AllPairs, Windowed))
    others = torch.ones(20, 24, dtype=torch.bool)
    others[3, 5:7] = False
    torch.testing.assert_close(actual[..., others], expected[..., others], rtol=0, atol=2e-4)


def test_what_is_kept_is_bounded() -> None:
    """On a CPU memory for a pair grows with the area, not with its square."""
    assert bytes_kept("cpu", 480 // 8, 768 // 8, 20) > 2**27
    assert bytes_kept("cpu", 1080 // 8, 1920 // 8, 20) == 0
    assert bytes_per_pair("cpu", 2160, 3840) == pytest.approx(4 * bytes_per_pair("cpu", 1080, 1920))
    assert isinstance(correlation.correlation(*drawn(0, 2, 1, 4, 16, 16), lookups=20), AllPairs)
    assert isinstance(correlation.correlation(*drawn(0, 2, 1, 4, 80, 120), lookups=3), Windowed)


@pytest.mark.skipif(library() is None, reason="needs a CPU with AVX2 and a C compiler")
@pytest.mark.parametrize("form", [AllPairs, Windowed])
def test_lookups_are_compiled(form: type[AllPairs | Windowed], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(correlation, "_sampled", None)  # the slow way
    first, second = drawn(0, 2, 2, 12, 20, 36)
    positions = position_grid(2, 20, 36, first.device) + 3 * drawn(1, 2, 2, 20, 36)
    assert form(first, second).samples(positions, 3).isfinite().all()
