"""Scene's rule: which frames get a caption, how often it counts, and what makes it right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from nova_bench.config.catalog import SCORERS
from nova_bench.networks.tag2text.captioner import Described
from nova_bench.scorers.base import Sample, Score, ScorerContext
from nova_bench.scorers.vbench.scene import Place
from tests.scorers.conftest import clip_of


class Reader:
    """Says how bright an image is; notes how many it was shown at once."""

    def __init__(self, *_: object):
        self.shown: list[int] = []

    def describe(self, images: list[Tensor]) -> list[Described]:
        self.shown.append(len(images))
        levels = [round((image[0, 0, 0].item() * 0.229 + 0.485) * 255) for image in images]
        return [Described([f"tag {level}"], f"an amusement park at level {level}") for level in levels]


@pytest.fixture
def score(monkeypatch: pytest.MonkeyPatch):
    reader = Reader()
    monkeypatch.setattr("nova_bench.networks.tag2text.captioner.Captioner", lambda *_: reader)

    def of(name: str, *videos: tuple[int, str]) -> list[Score]:
        """Videos of so many frames, the first of level 0, the second of level 1, ..."""
        info = SCORERS.get(name)
        scorer = info.build(info.settings(), ScorerContext("cpu", Path))
        levels = [np.arange(count, dtype=np.uint8)[:, None, None, None] for count, _ in videos]
        clips = [clip_of(np.broadcast_to(level, (len(level), *info.decode_size, 3))) for level in levels]
        return scorer.score(
            [Sample(clip, metadata=Place(scene=scene)) for clip, (_, scene) in zip(clips, videos, strict=True)]
        )

    of.reader = reader
    return of


def test_officially_the_first_frames_count_three_times(score) -> None:
    [result] = score("scene", (33, "amusement park"))
    assert (result.value, result.weight) == (1.0, 16)
    assert result.details["frames"] == [0, 2, 4, 6, 8, 10]  # of sixteen middle frames, the last of which is 31
    assert result.details["counts"] == [3, 3, 3, 3, 3, 1]
    assert result.details["captions"][5] == "an amusement park at level 10"
    assert result.details["tags"][1] == ["tag 2"]


def test_corrected_each_frame_counts_once(score) -> None:
    [result] = score("scene_corrected", (33, "level 31"))
    assert result.details["counts"] == [1] * 16
    assert result.value == 1 / 16


@pytest.mark.parametrize(
    ("frames", "counts"), [(1, [16]), (2, [3, 13]), (4, [3, 3, 3, 7]), (6, [3, 3, 3, 3, 3, 1]), (16, [3] * 5 + [1])]
)
def test_a_short_videos_last_frame_stands_for_the_missing_ones(score, frames: int, counts: list[int]) -> None:
    [result] = score("scene", (frames, "park"))
    assert result.details["frames"] == list(range(min(frames, 6)))
    assert result.details["counts"] == counts
    [corrected] = score("scene_corrected", (frames, "park"))
    assert corrected.details["counts"] == [1] * (frames - 1) + [17 - frames]


@pytest.mark.parametrize(
    ("scene", "value"),
    [
        ("park amusement", 1.0),  # in any order
        ("ark use", 1.0),  # anywhere in the letters
        ("park ", 1.0),  # an empty word is in each caption
        ("Park", 0.0),
        ("amusement parks", 0.0),
        ("level 0", 3 / 16),
    ],
)
def test_every_word_of_the_place_must_be_there(score, scene: str, value: float) -> None:
    [result] = score("scene", (16, scene))
    assert result.value == value


def test_videos_share_batches(score) -> None:
    results = score("scene", (4, "level 3"), (16, "level 0"), (1, "level"))
    assert score.reader.shown == [4 + 6 + 1]
    assert [result.value for result in results] == [7 / 16, 3 / 16, 1.0]


def test_frames_are_resampled_while_they_are_decoded() -> None:
    assert SCORERS.get("scene").decode_size == SCORERS.get("scene_corrected").decode_size == (384, 384)
