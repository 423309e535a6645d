"""Whether the video shows everything that the prompt states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_bench.scorers.base import Score
from nova_bench.scorers.shapes.reading import ShapesScorer, describe, summary

if TYPE_CHECKING:
    from nova_bench.shapes.captions import Claims
    from nova_bench.shapes.judge import Seen


class Everything(ShapesScorer):
    """1 if the whole video has every property that its prompt states, else 0.

    Number, shapes, colours, sizes, motions, speeds, relation and background, each if it is stated; in clips of
    fewer than five frames motion and speed are left out. Details: ``checks``, property -> true, false, or null if it
    was left out; ``background``; ``seen``.
    """

    def judge(self, said: Claims, seen: Seen) -> Score:
        from nova_bench.shapes.judge import checks

        found = checks(said, seen)
        background = f"{seen.background} gradient" if seen.gradient else f"plain {seen.background}"
        details = {"checks": found, "background": background, "seen": summary(seen)}
        return Score(float(all(value is not False for value in found.values())), details=details)


ALL = describe(
    "all",
    "Shapes world: share of videos that show everything their prompt states",
    "nova_bench's own rule and judge",
    f"{__name__}:Everything",
    binary=True,
)
