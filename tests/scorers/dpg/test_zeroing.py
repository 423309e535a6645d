"""Which answers count: corrected, whatever the order of the questions. The official rule: tests of whole runs."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from nova_bench.scorers.dpg.questions import Item, Question
from nova_bench.scorers.dpg.zeroing import corrected_tile


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Item, dict[int, str]]:
    """An item without a circle, its questions in any order, and answers."""
    count = draw(st.integers(1, 7))
    names = draw(st.permutations(range(1, count + 1)))
    parents = {
        name: tuple(draw(st.lists(st.sampled_from(names[:place]), max_size=3, unique=True))) if place else (0,)
        for place, name in enumerate(names)
    }
    order = draw(st.permutations(names))
    item = {
        name: Question(number=name, text="", proposition="entity - whole", parents=parents[name] or (0,))
        for name in order
    }
    return item, {name: draw(st.sampled_from(["yes", "no", "Yes", ""])) for name in names}


@given(graphs())
def test_corrected_a_question_counts_if_it_and_all_above_it_are_answered_yes(
    drawn: tuple[Item, dict[int, str]],
) -> None:
    item, answers = drawn

    def expected(number: int) -> bool:
        above = [parent for parent in item[number].parents if parent != 0]
        return answers[number] == "yes" and all(expected(parent) for parent in above)

    tile = corrected_tile(item, answers)
    assert {number: tile.counts(number) for number in item} == {number: expected(number) for number in item}
