"""Two judges on the same images: agreement, and kappa as statsmodels has it, by category."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from statsmodels.stats.inter_rater import cohens_kappa

from nova_bench.judges import shapes
from nova_bench.pipeline.aggregate import MetricSummary
from nova_bench.render.table import Row
from nova_bench.report.disagreement import disagreement_tables, disagreements_csv
from nova_bench.report.judge_accuracy import judge_accuracy_tables
from tests.report.dpg_runs import NO, QUESTIONS, YES, Answers, dpg_run

KINDS = {"entity - whole": 0, "attribute - color": 1, "global": 2}


def random_answers(prompts: int, seed: int) -> list[Answers]:
    draw = random.Random(seed)
    return [[tuple(draw.choice(["yes", "no", "perhaps"]) for _ in QUESTIONS) for _ in range(4)] for _ in range(prompts)]


def both(first: Sequence[Answers], second: Sequence[Answers]) -> list[MetricSummary]:
    return [*dpg_run(first).summaries, *dpg_run(second, "shapes").summaries]


def rows_of(summaries: list[MetricSummary]) -> dict[str, Row]:
    table, *_ = disagreement_tables(summaries, dpg_run([[YES]]).plan.suite.statistics)
    return {str(row.cells["kind"].value): row for row in table.rows}


def test_agreement_and_kappa() -> None:
    first, second = random_answers(12, 0), random_answers(12, 1)
    second[:6] = first[:6]
    rows = rows_of(both(first, second))
    for name, places in {"all questions": [0, 1, 2], **{kind: [place] for kind, place in KINDS.items()}}.items():
        pairs = [
            (a[place] == "yes", b[place] == "yes")
            for of_first, of_second in zip(first, second, strict=True)
            for a, b in zip(of_first, of_second, strict=True)
            for place in places
        ]
        counts = np.zeros((2, 2))
        for a, b in pairs:
            counts[int(a), int(b)] += 1
        cells = rows[name].cells
        assert cells["share"].value == pytest.approx(np.trace(counts) / len(pairs))
        assert cells["kappa"].value == pytest.approx(cohens_kappa(counts).kappa)
        assert cells["first"].value == pytest.approx(counts[1].sum() / len(pairs))
        assert cells["answers"].value == str(len(pairs))
        low, high = cells["kappa"].ci
        assert low < cells["kappa"].value < high
        # Of 12 prompts with 4 images each, intervals over prompts are wider than those over answers.
        plain = cohens_kappa(counts)
        assert high - low > 0.8 * (plain.kappa_upp - plain.kappa_low)


def test_judges_who_always_agree_and_too_few_prompts() -> None:
    rows = rows_of(both([[YES, NO]] * 3, [[YES, NO]] * 3))
    assert rows["entity - whole"].cells["kappa"].value == 1.0
    assert rows["entity - whole"].cells["kappa"].ci_missing == "3 prompts"
    assert "always give the same answer" in rows["global"].cells["kappa"].note
    assert rows["all questions"].cells["share"].value == 1.0
    assert not disagreements_csv(both([[YES, NO]] * 3, [[YES, NO]] * 3))


def test_only_what_both_answered_is_compared() -> None:
    summaries = both([[YES, NO], [YES, YES]], [[YES, None], [NO, YES]])
    table, differing = disagreement_tables(summaries, dpg_run([[YES]]).plan.suite.statistics)
    assert table.rows[0].cells["answers"].value == "9"
    assert "3 answers of mplug have none of shapes beside them" in table.caption
    assert [row.cells["images"].value for row in differing.rows] == ["1 of 2"]
    [line] = csv.DictReader(io.StringIO(disagreements_csv(summaries)))
    assert (line["judge_a"], line["judge_b"], line["sample_index"]) == ("mplug", "shapes", "0")
    assert (line["question"], line["answer_a"], line["answer_b"]) == ("Is there a cat?", "yes", "no")


def test_one_judge_has_nobody_to_disagree_with() -> None:
    assert disagreement_tables(dpg_run([[YES], [NO]]).summaries, dpg_run([[YES]]).plan.suite.statistics) == []


@pytest.fixture
def few_renders(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(shapes, "VIDEOS", 8)
    shapes.accuracy_on_renders.cache_clear()
    yield
    shapes.accuracy_on_renders.cache_clear()


@pytest.mark.usefixtures("few_renders")
def test_what_is_known_about_a_judge_stands_beside_its_answers() -> None:
    run = dpg_run([[YES], [NO]], "shapes")
    [table] = judge_accuracy_tables(run.summaries, run.plan.suite.statistics)
    rows = {row.cells["kind"].value: row.cells for row in table.rows}
    assert rows["all questions"]["true"].value > 0.95
    assert rows["all questions"]["false"].value > 0.95
    assert rows["all questions"]["true"].ci is not None
    assert int(rows["attribute - color"]["n_false"].value) >= 8
    assert "about 8 rendered clips" in table.caption
    assert judge_accuracy_tables(dpg_run([[YES]]).summaries, run.plan.suite.statistics) == []
