"""Asks a judge everything about an image, and keeps each answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from pydantic import AfterValidator

from nova_bench.config.fields import ScorerSettings
from nova_bench.core.errors import UserError
from nova_bench.core.judge_names import judge_label
from nova_bench.judges.base import YES, Answer, Asked, JudgeContext, Viewed, judge_called
from nova_bench.scorers.base import Sample, Score, ScorerContext, ScorerInfo
from nova_bench.scorers.dpg.questions import GROUPS, Item, Questions
from nova_bench.scorers.dpg.tally import OFFICIAL_PROBLEM, OFFICIAL_ZEROED, PERCENT, ZEROED
from nova_bench.scorers.dpg.zeroing import MissingParent, TileAnswers, corrected_tile, official_tile

PUBLISHED_JUDGE = "mplug"
"""The judge of the published numbers. Metrics of any other one bear its name."""


def _known(judge: str) -> str:
    try:
        judge_called(judge)
    except UserError as error:
        raise ValueError(f"{error.message} ({error.remedy})") from error
    return judge


class DPGSettings(ScorerSettings):
    """Settings of DPG-Bench's scorers."""

    judge: Annotated[str, AfterValidator(_known)] = PUBLISHED_JUDGE
    """Who answers: `mplug`, the judge of the published numbers; `vlm:MODEL`, a vision-language model; `vqa:MODEL`, a
    model for visual question answering; `shapes`, the shapes world's own. MODEL is a hub id or a folder."""


class DPGAnswers:
    """The judge's answers about an image. The value is their share of yes in percent, before any is zeroed.

    Details: ``judge``; ``yes``, for example "5 of 14"; ``answers`` in the order of the prompt's questions: ``line``,
    ``number``, ``parents``, ``category``, ``question``, ``answer``, ``p`` (the probability of yes, or null), and the
    parent that zeroes it, ``zeroed_by`` and ``official_zeroed_by`` (null if none does, or if that rule
    doesn't count the question); ``official_problem``, why the official script drops the item, or empty. What an image
    counts is the matter of :mod:`nova_bench.scorers.dpg.tally`.
    """

    def __init__(self, settings: DPGSettings, context: ScorerContext):
        self._name = judge_label(settings.judge)
        info, model = judge_called(settings.judge)
        self._judge = info.build(JudgeContext(context.device, context.asset, model))

    def score(self, batch: Sequence[Sample]) -> list[Score]:
        asked = [_questions(sample) for sample in batch]
        viewed = [
            Viewed(
                sample.clip.frames,
                tuple(Asked(question.text, question.proposition) for question in questions.dpg_questions),
            )
            for sample, questions in zip(batch, asked, strict=True)
        ]
        with_questions = [image for image in viewed if image.questions]
        answers = iter(self._judge.answer(with_questions) if with_questions else [])
        return [self._scored(questions, next(answers) if questions.dpg_questions else []) for questions in asked]

    def _scored(self, questions: Questions, answers: Sequence[Answer]) -> Score:
        if not answers:
            return Score(None, reason="nothing is asked about the prompt")
        yes = sum(answer.text == YES for answer in answers)
        notes = {answer.note for answer in answers if answer.note}
        return Score(
            PERCENT * yes / len(answers), details=_details(self._name, questions, answers), notes=tuple(sorted(notes))
        )


def _questions(sample: Sample) -> Questions:
    assert isinstance(sample.metadata, Questions)
    return sample.metadata


def _details(judge: str, questions: Questions, answers: Sequence[Answer]) -> dict[str, Any]:
    official, problem = _zeroed(questions, questions.official, answers, official_tile)
    corrected: dict[int, int] = {}
    if not questions.dpg_faults:
        corrected, _ = _zeroed(questions, questions.corrected, answers, corrected_tile)
    rows = [
        {
            "line": question.line,
            "number": question.number,
            "parents": list(question.parents),
            "category": question.category,
            "question": question.text,
            "answer": answer.text,
            "p": answer.probability,
            ZEROED: corrected.get(index),
            OFFICIAL_ZEROED: official.get(index),
        }
        for index, (question, answer) in enumerate(zip(questions.dpg_questions, answers, strict=True))
    ]
    yes = sum(answer.text == YES for answer in answers)
    return {"judge": judge, "yes": f"{yes} of {len(rows)}", "answers": rows, OFFICIAL_PROBLEM: problem}


def _zeroed(
    questions: Questions,
    indices: Mapping[int, int],
    answers: Sequence[Answer],
    rule: Callable[[Item, Mapping[int, str]], TileAnswers],
) -> tuple[dict[int, int], str]:
    """By the question's index, the parent that zeroes it; and why the rule drops the item, or empty."""
    try:
        tile = rule(questions.item(indices), {number: answers[index].text for number, index in indices.items()})
    except MissingParent as error:
        return {}, str(error)
    return {indices[number]: parent for number, parent in tile.zeroed_by.items()}, ""


def _of_judge(info: ScorerInfo, settings: DPGSettings) -> ScorerInfo:
    judge, model = judge_called(settings.judge)
    return replace(
        info,
        name=info.name if settings.judge == PUBLISHED_JUDGE else f"{info.name}@{judge_label(settings.judge)}",
        version=f"{info.version}, judge {judge.name} {judge.version}",
        assets=(*info.assets, *judge.assets(model)),
    )


_MODE = "nova_bench.scorers.dpg.tally"
_SOURCE = "DPG-Bench (ELLA, arXiv 2403.05135), compute_dpg_bench.py"
OFFICIAL = ScorerInfo(
    name="dpg_bench",
    summary="DPG-Bench as its script counts: share of questions that a judge answers with yes",
    version="1",
    unit="%",
    range=(0.0, PERCENT),
    higher_is_better=True,
    source=_SOURCE,
    factory=f"{__name__}:DPGAnswers",
    settings=DPGSettings,
    average="mean",
    digits=2,
    reads=Questions,
    tally=f"{_MODE}:official",
    breakdown=f"{_MODE}:official_categories",
    rows_of="dpg_bench",
    brings=tuple(f"dpg_bench/{group}" for group in GROUPS),
    specialize=_of_judge,
)
CORRECTED = replace(
    OFFICIAL,
    name="dpg_bench_corrected",
    summary="DPG-Bench with its script's faults mended: every row, every image, zeroed from the roots on",
    source=f"{_SOURCE}, with its faults mended",
    average="weighted",
    tally=f"{_MODE}:corrected",
    breakdown=f"{_MODE}:corrected_categories",
    brings=tuple(f"dpg_bench_corrected/{group}" for group in GROUPS),
)


def _of_group(info: ScorerInfo, group: str) -> ScorerInfo:
    return replace(
        info,
        name=f"{info.name}/{group}",
        summary=f"{info.summary}; questions about {_ABOUT[group]}",
        average="weighted",
        tally=f"{info.tally}_{group}",
        breakdown="",
        brings=(),
    )


_ABOUT = {
    "global": "the whole image",
    "entity": "objects",
    "attribute": "their properties",
    "relation": "their relations",
    "other": "number and lettering",
}
OFFICIAL_GLOBAL, OFFICIAL_ENTITY, OFFICIAL_ATTRIBUTE, OFFICIAL_RELATION, OFFICIAL_OTHER = (
    _of_group(OFFICIAL, group) for group in GROUPS
)
CORRECTED_GLOBAL, CORRECTED_ENTITY, CORRECTED_ATTRIBUTE, CORRECTED_RELATION, CORRECTED_OTHER = (
    _of_group(CORRECTED, group) for group in GROUPS
)
