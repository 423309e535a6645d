"""Judges as the harness builds them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from nova_bench.assets import asset_path
from nova_bench.judges.base import Answer, Asked, Judge, JudgeContext, Viewed, judge_called
from tests.fake_card import fake_card

QUESTIONS = (
    "Is there a cat?",
    "Is the cat on the left of the dog, and is it larger?",
    "Hm?",
    "Is there a dog?",
)


@pytest.fixture
def judge() -> Callable[[str], Judge]:
    """Build the judge of a suite's ``judge`` on the CPU."""

    def build(name: str) -> Judge:
        info, model = judge_called(name)
        return info.build(JudgeContext("cpu", asset_path, model))

    return build


def answers_on_the_card(name: str, pictures: list[Viewed]) -> list[list[Answer]]:
    """What a suite's ``judge`` answers on a card that isn't there, where its model has to be."""
    info, model = judge_called(name)
    with fake_card() as card:
        found = info.build(JudgeContext("cuda", asset_path, model)).answer(pictures)
        assert card.peak > 0
    return found


def picture(height: int, width: int, seed: int, questions: tuple[str, ...] = QUESTIONS) -> Viewed:
    """A picture of noise, and what is asked about it."""
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randint(0, 256, (1, height, width, 3), dtype=torch.uint8, generator=generator)
    return Viewed(frames, tuple(Asked(text) for text in questions))
