"""The rules of the beam search, on candidates made by hand."""

from __future__ import annotations

from nova_bench.networks.tag2text.beam_search import Beams, Candidate, Rules

END = 9
RULES = Rules(end=END, beams=3, shortest=0, longest=10)
PROMPT = [5, 6]


def candidates(*found: tuple[int, int, float]) -> list[Candidate]:
    return [Candidate(*each) for each in found]


def start() -> Beams:
    beams = Beams(PROMPT, RULES)
    beams.go_on(candidates((0, 1, -1.0), (0, 2, -2.0), (0, 3, -3.0), (0, 4, -4.0), (0, 5, -5.0), (0, 6, -6.0)))
    return beams


def test_the_likeliest_three_go_on() -> None:
    beams = start()
    assert beams.running == [[5, 6, 1], [5, 6, 2], [5, 6, 3]]
    assert beams.totals == [-1.0, -2.0, -3.0]
    beams.go_on(candidates((2, 7, -3.1), (0, 8, -3.2), (2, 1, -3.3), (1, 1, -4.0), (1, 2, -5.0), (0, 3, -6.0)))
    assert beams.running == [[5, 6, 3, 7], [5, 6, 1, 8], [5, 6, 3, 1]]
    assert beams.parents == [2, 0, 2]


def test_an_end_counts_among_the_first_three_candidates_only() -> None:
    beams = start()
    beams.go_on(candidates((0, 1, -1.1), (1, END, -2.1), (0, 2, -2.2), (2, END, -3.1), (1, 1, -3.2), (1, 2, -3.3)))
    assert beams.running == [[5, 6, 1, 1], [5, 6, 1, 2], [5, 6, 2, 1]]
    beams.running = []  # of the finished ones
    beams.totals = []
    assert beams.best() == [5, 6, 2]


def test_a_caption_is_rated_by_its_length_with_the_prompt_and_without_the_end() -> None:
    beams = start()
    beams.go_on(candidates((0, END, -2.0), (0, 1, -2.0), (0, 2, -9.0), (1, 1, -9.5), (1, 2, -9.6), (2, 1, -9.7)))
    assert beams.best() == [5, 6, 1, 1]  # -2 over 4; the finished one has -2 over 3


def test_of_equal_captions_the_last_is_best() -> None:
    beams = start()
    beams.go_on(candidates((0, 1, -2.0), (0, 2, -2.0), (0, 3, -9.0), (1, 1, -9.5), (1, 2, -9.6), (2, 1, -9.7)))
    assert beams.best() == [5, 6, 1, 2]


def test_an_image_is_complete_when_no_running_caption_seems_to_become_better() -> None:
    beams = start()
    beams.go_on(candidates((0, END, -1.2), (1, END, -2.2), (2, END, -3.2), (0, 1, -3.3), (0, 2, -3.4), (0, 3, -3.5)))
    assert not beams.complete  # the worst has -3.2 over 3, and -1.2 over 4 is better
    beams.go_on(candidates((0, 1, -6.0), (0, 2, -6.1), (0, 3, -6.2), (1, 1, -6.3), (1, 2, -6.4), (2, 1, -6.5)))
    assert beams.complete  # -6 over 5
    assert beams.best() == [5, 6, 1]


def test_the_worst_finished_caption_leaves() -> None:
    beams = start()
    beams.go_on(candidates((0, END, -1.2), (1, END, -2.2), (2, END, -3.2), (0, 1, -3.3), (0, 2, -3.4), (0, 3, -3.5)))
    beams.go_on(candidates((0, END, -3.4), (0, 1, -3.5), (0, 2, -3.6), (0, 3, -3.7), (1, 1, -3.8), (1, 2, -3.9)))
    beams.go_on(candidates((0, 1, -3.6), (0, 2, -3.7), (0, 3, -3.8), (1, 1, -3.9), (1, 2, -4.0), (2, 1, -4.1)))
    assert not beams.complete  # -3.6 over 6 is better than -3.4 over 4, now the worst
    beams.go_on(candidates((0, 1, -6.0), (0, 2, -6.1), (0, 3, -6.2), (1, 1, -6.3), (1, 2, -6.4), (2, 1, -6.5)))
    assert beams.complete
