"""The judge `shapes`: reads pictures and videos of the shapes world with classical vision, and answers from that."""

from __future__ import annotations

from collections.abc import Sequence

from nova_bench.judges.base import NEITHER, NO, YES, Answer, JudgeContext, JudgeInfo, Viewed

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


INFO = JudgeInfo(
    name="shapes",
    summary="the shapes world's own: classical vision, for its pictures and videos only",
    version=f"1, reading {READING_VERSION}",
    source="nova_bench",
    factory="nova_bench.judges.shapes:ShapesJudge",
    asked="by its proposition, not its words",
)
