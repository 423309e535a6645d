"""What the images of an item count for each score."""

from __future__ import annotations

from typing import Any

from nova_bench.scorers.base import Recorded, Tallied
from nova_bench.scorers.dpg.questions import Question, Questions
from nova_bench.scorers.dpg.tally import corrected, of_group, official

CAT = Question(number=1, text="Is there a cat?", proposition="entity - whole (cat)", parents=(0,), line=2)
RED = Question(number=2, text="Is it red?", proposition="attribute - color (cat, red)", parents=(1,), line=3)
BOTH = Questions(dpg_questions=(CAT, RED))


def image(index: int, *answers: str, questions: Questions = BOTH) -> Recorded:
    """One whose second question is zeroed by the first if that is answered no."""
    zeroed = [None, None if answers[:1] == ("yes",) else 1]
    rows: list[dict[str, Any]] = [
        {"answer": answer, "zeroed_by": by, "official_zeroed_by": by}
        for answer, by in zip(answers, zeroed, strict=False)
    ]
    details = {"answers": rows, "official_problem": ""} if answers else None
    return Recorded(index, questions, details)


def test_official_categories_count_the_last_image_before_zeroing() -> None:
    images = [image(0, "yes", "yes"), image(1, "no", "yes")]
    assert official(images) == [Tallied(100.0), Tallied(0.0)]
    assert official(images, of_group("attribute")) == [None, Tallied(100.0, 1)]
    assert official(images, of_group("entity")) == [None, Tallied(0.0, 1)]
    assert official(images, of_group("global")) == [None, None]


def test_corrected_categories_count_every_image_after_zeroing() -> None:
    images = [image(0, "yes", "yes"), image(1, "no", "yes")]
    assert corrected(images) == [Tallied(100.0, 0.5), Tallied(0.0, 0.5)]
    assert corrected(images, of_group("attribute")) == [Tallied(100.0, 1), Tallied(0.0, 1)]
    assert corrected(images, of_group("global")) == [None, None]


def test_an_image_without_answers_drops_its_item_officially_only() -> None:
    images = [image(0, "yes", "no"), image(1)]
    reason = "the official script drops the item: image 2 has no answers"
    assert official(images) == [Tallied(None, reason=reason)] * 2
    assert official(images, of_group("entity")) == [None, Tallied(None, reason=reason)]
    scored, missing = corrected(images)
    assert scored == Tallied(50.0, 1.0)
    assert missing is not None
    assert missing.failed


def test_a_second_grid_counts_as_an_item_of_its_own_officially() -> None:
    images = [image(0, "yes", "yes"), image(4, "yes", "no"), image(5)]
    assert official(images)[0] == Tallied(100.0)
    assert all(tallied is not None and tallied.value is None for tallied in official(images)[1:])


def test_faulty_questions_fail_the_item_by_name() -> None:
    faulty = Questions(dpg_questions=(CAT, RED), dpg_official=(), dpg_faults=("line 3: is wrong",))
    images = [image(0, "yes", "yes", questions=faulty)]
    assert corrected(images) == [Tallied(None, reason="line 3: is wrong", failed=True)]
    [dropped] = official(images)
    assert dropped is not None
    assert "doesn't know the item" in dropped.reason
