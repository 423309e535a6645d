"""The shapes world's own judge answers from what it sees, and says when it can't see something."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from nova_bench.core.errors import UserError
from nova_bench.judges.base import Answer, Asked, Judge, JudgeContext, Viewed, judge_called
from nova_bench.judges.shapes import ShapesJudge, accuracy
from nova_bench.shapes import ShapesWorld
from nova_bench.shapes.questions import questions

CLIP = ShapesWorld("test", seed=8)[0]
ASKED = tuple(Asked(row["question_natural_language"], row["tuple"]) for row in questions("x", CLIP.dense_caption))


def viewed(frames: int, *asked: Asked) -> Viewed:
    return Viewed(torch.from_numpy(CLIP.frames[:frames]), asked or ASKED)


def moves(asked: Asked) -> bool:
    return asked.proposition.startswith(("entity - state", "attribute - other"))


def test_all_that_a_true_caption_states(judge: Callable[..., Judge]) -> None:
    [answers] = judge("shapes").answer([viewed(17)])
    assert [answer.text for answer in answers] == ["yes"] * len(ASKED)
    assert {answer.probability for answer in answers} == {None}


def test_later_frames_are_not_what_the_caption_describes(judge: Callable[..., Judge]) -> None:
    noise = torch.randint(0, 256, (40, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    longer = Viewed(torch.cat([torch.from_numpy(CLIP.frames), noise]), ASKED)
    assert judge("shapes").answer([longer]) == judge("shapes").answer([viewed(17)])


def test_a_picture_shows_no_motion(judge: Callable[..., Judge]) -> None:
    absent = Asked("Is the dot moving left?", "entity - state (cross, moving left)")
    assert not any("cross" in asked.proposition for asked in ASKED)
    [answers] = judge("shapes").answer([viewed(1, *ASKED, absent)])
    assert [answer.text for answer in answers] == [*("neither" if moves(asked) else "yes" for asked in ASKED), "no"]
    assert any(map(moves, ASKED))


@pytest.mark.parametrize(
    "wrong",
    ["", "nonsense", "entity - whole (dog)", "attribute - texture (circle, rough)", "other - count (star, ==x)"],
)
def test_what_is_not_of_the_shapes_world(judge: Callable[..., Judge], wrong: str) -> None:
    with pytest.raises(ValueError, match="answers questions of the shapes world only: "):
        judge("shapes").answer([viewed(17, Asked("Is there a dog?", wrong))])


@pytest.mark.parametrize(
    ("name", "said"),
    [("shapse", "did you mean 'shapes'"), ("shapes:tiny", "takes no model, but 'tiny' is named")],
)
def test_names(name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        judge_called(name)


def test_its_own_accuracy_is_measured_with_true_and_false_statements() -> None:
    known = {one.category: one for one in accuracy(AlwaysYes(), 6)}
    assert set(known) >= {"entity - whole", "attribute - color", "entity - state", "global -"}
    for one in known.values():
        assert len(one.true) == len(one.right_of_false) == 6
        assert one.right_of_true == one.true
        assert one.right_of_false == (0,) * 6
    assert sum(known["global -"].true) == sum(known["global -"].false) == 6


class AlwaysYes:
    def answer(self, batch: Sequence[Viewed]) -> list[list[Answer]]:
        return [[Answer("yes") for _ in one.questions] for one in batch]


def test_it_is_right_about_what_is_known() -> None:
    for one in accuracy(ShapesJudge(JudgeContext("cpu", Path, "")), 8):
        assert (one.right_of_true, one.right_of_false) == (one.true, one.false)
