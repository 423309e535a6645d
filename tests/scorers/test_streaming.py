"""Scores don't depend on how a video's frames arrive: all at once or in chunks whose memory is used again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nova_bench.config.catalog import SCORERS
from nova_bench.core.errors import MediaError
from nova_bench.scorers.base import Sample, Score
from nova_bench.scorers.streaming import Measurement, Part, measure
from nova_bench.video import Clip
from nova_bench.video.source import source_of

from ..parity.fidelity.weights import official_files, scorer
from .conftest import clip_of, shifting_texture
from .test_pairing import CHUNKS, in_chunks, regular

STREAMING = [name for name, info in SCORERS.own().items() if info.streams]


def built(name: str, folder: Path, **choices: object):
    info = SCORERS.get(name)
    if info.assets:
        return scorer(name, official_files(name, folder))
    return info.build(info.settings(**choices), None)


def test_those_that_need_neighbours_only_stream() -> None:
    expected = {"temporal_flickering", "dynamic_degree_dis", "psnr", "ssim", "ms_ssim", "lpips", "st_lpips"}
    assert set(STREAMING) == expected


@pytest.fixture(scope="module")
def scorers(tmp_path_factory: pytest.TempPathFactory) -> dict:
    return {name: built(name, tmp_path_factory.mktemp(name)) for name in STREAMING}


def stream(scorers: dict, video: Clip, reference: Clip, sizes: tuple[list[int], list[int]]) -> dict[str, Score]:
    parts = {name: Part(each.begin, SCORERS.get(name).needs_reference) for name, each in scorers.items()}
    measure(list(parts.values()), in_chunks(video, sizes[0]), in_chunks(reference, sizes[1]), "time")
    return {name: part.outcome for name, part in parts.items()}


def samples(count: int, times: int, seed: int, side: int = 40) -> tuple[Clip, Clip]:
    """A moving texture with noise, and itself at a multiple of the rate."""
    frames = shifting_texture(count, side, side + 8, 3, seed)
    noise = np.random.default_rng(seed).standard_normal(frames.shape) * 9
    noisy = np.clip(frames + noise, 0, 255).astype(np.uint8)
    made = []
    for pictures, factor in ((noisy, 1), (np.repeat(frames, times, axis=0), times)):
        rate = regular(count * factor, 12 * factor)
        made.append(replace(clip_of(pictures, 12 * factor), times=rate.times, tick=rate.tick))
    return made[0], made[1]


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    count=st.integers(1, 17),
    times=st.integers(1, 2),
    seed=st.integers(0, 99),
    sizes=st.tuples(CHUNKS, CHUNKS),
    swap=st.booleans(),
)
def test_chunks_change_no_bit(scorers, count: int, times: int, seed: int, sizes, swap: bool) -> None:
    video, reference = samples(count, times, seed)[:: -1 if swap else 1]
    streamed = stream(scorers, video, reference, sizes)
    for name, each in scorers.items():
        assert streamed[name] == each.score([Sample(video, reference)])[0], name


def test_chunks_change_no_bit_of_five_scales(scorers) -> None:
    video, reference = samples(3, 2, 0, side=170)
    (found,) = stream({"ms_ssim": scorers["ms_ssim"]}, video, reference, ([2], [1])).values()
    assert found == scorers["ms_ssim"].score([Sample(video, reference)])[0]
    assert found.value is not None


class _Failing(Measurement):
    def add(self, frames, references) -> None:
        raise ValueError("this one can't")

    def finish(self, pairs) -> Score:
        raise AssertionError


def test_errors_stay_with_whom_they_concern(scorers) -> None:
    video, reference = samples(9, 1, 0)
    names = ("temporal_flickering", "psnr")
    parts = [Part(scorers[name].begin, SCORERS.get(name).needs_reference) for name in names]
    broken = Part(lambda _: _Failing(), False)

    def cut(source):
        yield next(source.chunks)
        raise MediaError("reference: cut off")

    streamed = in_chunks(reference, [4])
    measure([*parts, broken], in_chunks(video, [2]), replace(streamed, chunks=cut(streamed)), "time")
    alone, compared = parts
    assert alone.outcome == scorers["temporal_flickering"].score([Sample(video)])[0]
    assert str(compared.outcome) == "reference: cut off"
    assert str(broken.outcome) == "this one can't"


def test_a_cut_at_the_end_of_a_stream_discards_all_scores(scorers) -> None:
    video, reference = samples(9, 1, 0)

    def cut(source):
        yield from source.chunks
        raise MediaError("cut off")

    parts = [Part(scorers[name].begin, SCORERS.get(name).needs_reference) for name in STREAMING]
    streamed = in_chunks(video, [4])
    measure(parts, replace(streamed, chunks=cut(streamed)), source_of(reference), "time")
    assert {str(part.outcome) for part in parts} == {"cut off"}
