"""Dimensions that ask a network the same about a video ask it once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from nova_bench.scorers.base import Sample
from nova_bench.scorers.vbench.detection import Detection, Detector
from nova_bench.scorers.vbench.video_text import VideoText
from tests.scorers.conftest import clip_of

PRECISIONS = ("float32", "official-cuda")


def clip(level: int) -> Any:
    return clip_of(np.full((9, 8, 8, 3), level, np.uint8))


def detector(network: object, looked: list[Any], precision: str = "float32", captions: bool = False) -> Detector:
    made = Detector.__new__(Detector)
    made._network, made._captions = network, captions
    made._settings, made._device = SimpleNamespace(precision=precision), "cpu"

    def look(frames: torch.Tensor) -> list[list[Detection]]:
        looked.append((captions, precision, frames.float().mean().item()))
        return [[Detection(f"level {int(frame.float().mean())}", "", (0, 0, 1, 1))] for frame in frames]

    made._look = look
    return made


def test_what_is_seen_is_looked_for_once_in_each_way() -> None:
    looked: list[Any] = []
    network, first, second = object(), clip(1), clip(2)
    alone = [detector(object(), []).detect(one) for one in (first, second)]
    for scorer in [detector(network, looked) for _ in range(3)]:
        assert [scorer.detect(one) for one in (first, second)] == alone
    assert looked == [(False, "float32", 1.0), (False, "float32", 2.0)]
    detector(network, looked, captions=True).detect(first)
    detector(network, looked, "official-cuda").detect(first)
    detector(object(), looked).detect(first)
    assert looked[2:] == [(True, "float32", 1.0), (False, "official-cuda", 1.0), (False, "float32", 1.0)]


class Network:
    vision_encoder = SimpleNamespace(bytes_per_video=lambda height, width: 1)


def video_text(network: Any, encoded: list[float], precision: str) -> VideoText:
    made = VideoText.__new__(VideoText)
    made._network, made._device, made._settings = network, "cpu", SimpleNamespace(precision=precision)

    def features(clips: list[Any]) -> list[torch.Tensor]:
        encoded.extend(one.frames.float().mean().item() for one in clips)
        return [torch.tensor([one.frames.float().mean(), 1.0]) for one in clips]

    made._video_features = features
    made._text_features = lambda prompt: (torch.tensor([1.0, float(len(prompt))]), ())
    return made


@pytest.mark.parametrize("precision", PRECISIONS)
def test_videos_are_encoded_once_for_both_dimensions(precision: str) -> None:
    network = Network()
    encoded: list[float] = []
    videos = [clip(level) for level in (1, 2, 3)]
    temporal, overall = (video_text(network, encoded, precision) for _ in range(2))
    scores = temporal.score([Sample(videos[0], prompt="a"), Sample(videos[1], prompt="b")])
    more = overall.score([Sample(video, prompt="cd") for video in videos])
    assert encoded == [1, 2, 3]
    assert [score.value for score in scores + more] == [2, 3, 3, 4, 5]
