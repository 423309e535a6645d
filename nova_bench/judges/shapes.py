"""The judge `shapes`: reads pictures and videos of the shapes world with classical vision, and answers from that."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random

from nova_bench.judges.base import (
    NEITHER,
    NO,
    YES,
    Answer,
    Asked,
    Judge,
    JudgeContext,
    JudgeInfo,
    KnownAnswers,
    Viewed,
)

READING_VERSION = "1"
"""Raise it whenever :func:`nova_bench.shapes.judge.see` may read a video differently."""
_WORDS = {True: YES, False: NO, None: NEITHER}


class ShapesJudge:
    """Answers from a question's proposition alone; the question's words are not read.

    Of a video it sees the first 17 frames, which is what captions describe. Whether an object moves as stated can't be
    seen in fewer than 5 frames: the answer is then ``neither``, unless there is no such object.
    """

    def __init__(self, context: JudgeContext):
        del context  # OpenCV on the CPU

    def answer(self, batch: Sequence[Viewed]) -> list[list[Answer]]:
        """Raises ValueError for a proposition that isn't of the shapes world."""
        return [self._about(viewed) for viewed in batch]

    def _about(self, viewed: Viewed) -> list[Answer]:
        from nova_bench.shapes.judge import see
        from nova_bench.shapes.questions import answer
        from nova_bench.shapes.scene import CAPTION_FRAMES

        seen = see(viewed.frames[:CAPTION_FRAMES].numpy())
        answers = []
        for asked in viewed.questions:
            try:
                answers.append(Answer(_WORDS[answer(asked.proposition, seen)]))
            except ValueError as error:
                raise ValueError(f"the judge shapes answers questions of the shapes world only: {error}") from error
        return answers


VIDEOS = 40
"""Renders on which the judge's own accuracy is measured."""
_SEED = 2024


@cache
def accuracy_on_renders() -> list[KnownAnswers]:
    """The judge's answers about rendered clips of the test split: questions of their captions, and false ones."""
    return accuracy(ShapesJudge(JudgeContext("cpu", Path, "")), VIDEOS)


def accuracy(judge: Judge, videos: int) -> list[KnownAnswers]:
    """How often a judge is right about the first ``videos`` clips of the test split, sorted by category.

    True are the questions of a clip's fullest caption; false those about the caption with one property changed.
    """
    import torch

    from nova_bench.shapes import TEMPLATES, ShapesWorld, caption
    from nova_bench.shapes.captions import claims
    from nova_bench.shapes.falsehoods import false_questions
    from nova_bench.shapes.questions import questions

    world, fullest = ShapesWorld("test", _SEED), len(TEMPLATES) - 1
    found: dict[str, list[list[int]]] = {}
    for index in range(videos):
        clip = world[index]
        true = questions("true", caption(clip.scene, fullest))
        false = false_questions(claims(clip.scene, TEMPLATES[fullest]), Random(index))
        asked = tuple(Asked(row["question_natural_language"], row["tuple"]) for row in (*true, *false))
        [answers] = judge.answer([Viewed(torch.from_numpy(clip.frames), asked)])
        for place, (one, answer) in enumerate(zip(asked, answers, strict=True)):
            category = one.proposition.split("(")[0].strip()
            counts = found.setdefault(category, [[0] * videos for _ in range(4)])
            kind = 0 if place < len(true) else 2
            counts[kind][index] += 1
            counts[kind + 1][index] += (answer.text == YES) == (kind == 0)
    return [KnownAnswers(category, *map(tuple, counts)) for category, counts in sorted(found.items())]


INFO = JudgeInfo(
    name="shapes",
    summary="the shapes world's own: classical vision, for its pictures and videos only",
    version=f"1, reading {READING_VERSION}",
    source="nova_bench",
    factory="nova_bench.judges.shapes:ShapesJudge",
    known_answers="nova_bench.judges.shapes:accuracy_on_renders",
    asked="by its proposition, not its words",
)
