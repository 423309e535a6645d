"""False questions have the form of true ones, and the judge that sees the clip says no to each."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from nova_bench.shapes import TEMPLATES, ShapesWorld
from nova_bench.shapes.captions import claims
from nova_bench.shapes.falsehoods import PROPERTIES, false_questions, falsified
from nova_bench.shapes.judge import see
from nova_bench.shapes.questions import COLUMNS, answer


@settings(max_examples=12, deadline=None)
@given(index=st.integers(0, 10**6 - 1))
def test_every_false_question_is_answered_no(index: int) -> None:
    clip = ShapesWorld("test")[index]
    said = claims(clip.scene, TEMPLATES[-1])
    rows = false_questions(said, Random(index))
    assert {tuple(row) for row in rows} == {COLUMNS}
    seen = see(clip.frames)
    assert not any(answer(row["tuple"], seen) for row in rows)
    categories = {row["tuple"].split("(")[0].strip() for row in rows}
    assert {"entity - whole", "attribute - color", "attribute - size", "entity - state", "global -"} <= categories
    assert ("relation - spatial" in categories) == (said.relation is not None)


def test_one_property_is_changed() -> None:
    for index in range(30):
        said = claims(ShapesWorld("test")[index].scene, TEMPLATES[-1])
        for name in PROPERTIES:
            lie = falsified(said, name, Random(index))
            if lie is not None:
                changed = {
                    part for part in ("count", "relation", "background") if getattr(lie, part) != getattr(said, part)
                }
                changed |= {
                    part
                    for part in ("shape", "color", "size", "motion")
                    if getattr(lie.things[0], part) != getattr(said.things[0], part)
                }
                assert changed == {"motion" if name == "speed" else name}
                assert lie.things[1:] == said.things[1:]
