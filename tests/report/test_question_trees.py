"""Prompts with their questions: which are shown, in which order, and what is told of each answer."""

from __future__ import annotations

from pathlib import Path

from nova_bench.core.progress import Progress
from nova_bench.render.html.media import MediaShelf
from nova_bench.render.html.report import Report, write_report
from nova_bench.render.html.trees import QuestionTree, TreeImage, TreeQuestion, arranged, tree_data
from nova_bench.report.question_trees import question_trees
from nova_bench.report.richness import kept_report
from nova_bench.report.sources import Sources
from nova_bench.store import Store
from tests.report.dpg_runs import LATE, NO, YES, Made, dpg_run


def trees_of(run: Made, tmp_path: Path, gallery: int = 200) -> tuple[tuple[QuestionTree, ...], str]:
    suite = run.plan.suite
    suite = suite.model_copy(update={"report": suite.report.model_copy(update={"gallery": gallery})})
    plan = type(run.plan)(suite, run.plan.units, run.plan.scorers, run.plan.run_id)
    with Store.writer(tmp_path / "store") as store:
        return question_trees(plan, run.summaries, {}, Sources(store, suite.media), Progress(quiet=True))


def asked(number: int, *parents: int) -> TreeQuestion:
    return TreeQuestion(number, parents, "entity", f"Question {number}?", ())


def test_prompts_stand_once_with_every_answer_and_what_zeroed_it(tmp_path: Path) -> None:
    trees, note = trees_of(dpg_run(([YES, NO], [LATE, YES])), tmp_path)
    assert note == "All 2 prompts, the lowest score first."
    assert [tree.name for tree in trees] == ["item0", "item1"]
    first = trees[0]
    assert first.judge == "mplug"
    assert first.notes == ("dpg_bench: 66.67 %", "dpg_bench_corrected: 66.67 %")
    assert [image.notes for image in first.images] == [("3 of 3 answered yes",), ("2 of 3 answered yes",)]
    red = first.questions[1]
    assert (red.text, red.parents, red.category) == ("Is it red?", (1,), "attribute - color")
    assert [answer and (answer.text, answer.zeroed) for answer in red.answers] == [
        ("yes", {}),
        ("yes", {"corrected": 1, "official": 1}),
    ]


def test_a_failed_image_says_why_and_has_no_answers(tmp_path: Path) -> None:
    trees, _ = trees_of(dpg_run(([YES, None],)), tmp_path)
    assert [image.notes[-1] for image in trees[0].images] == ["3 of 3 answered yes", "the judge died"]
    assert trees[0].questions[0].answers[1] is None


def test_the_lowest_prompts_are_shown_if_there_are_more_than_the_gallery_holds(tmp_path: Path) -> None:
    run = dpg_run(([YES, YES], [NO, NO], [LATE, LATE]))
    trees, note = trees_of(run, tmp_path, gallery=4)
    assert [tree.name for tree in trees] == ["item1", "item2"]
    assert note.startswith("The 2 of 3 prompts with the lowest scores.")
    assert trees_of(run, tmp_path, gallery=0)[0] == ()


def test_questions_stand_below_the_first_parent_that_is_there_and_circles_end() -> None:
    questions = [asked(3, 2), asked(1, 0), asked(2, 1), asked(4, 9, 1), asked(5, 6), asked(6, 5), asked(7, 7)]
    assert [(depth, question.number) for depth, question in arranged(questions)] == [
        (0, 1),
        (1, 2),
        (2, 3),
        (1, 4),
        (0, 7),
        (0, 5),
        (1, 6),
    ]


def test_text_is_visible_and_pictures_are_embedded_once(tmp_path: Path) -> None:
    image = TreeImage(("seed 1",), tmp_path / "a b.png", b"poster")
    tree = QuestionTree("a\u202eb", "", "", (), (image, image), (asked(1, 0),))
    shelf = MediaShelf(tmp_path / "page.html")
    [entry] = tree_data([tree], shelf)
    assert "\u202e" not in entry["prompt"]
    assert entry["questions"] == [[0, 1, [], "entity", "Question 1?", []]]
    assert [shown["poster"] for shown in entry["images"]] == [0, 0]
    assert len(shelf.blobs) == 1
    assert entry["images"][0]["media"] == {"kind": "image", "name": "a b.png", "href": "./a%20b.png"}


def test_the_same_report_again_shows_as_much_as_the_first(tmp_path: Path) -> None:
    tree = QuestionTree("a cat", "", "", (), (TreeImage(poster=b"poster"),), (asked(1, 0),))
    report = Report("R", trees=(tree,))
    write_report(report, tmp_path / "index.html")
    assert kept_report(tmp_path, report, "run") is None
    assert kept_report(tmp_path, Report("R"), "run") is not None
