"""From the answers about an item's images to its share of each score: as the official script counts, and corrected.

The official overall is the mean over files of the mean over images; its categories count the answers about each last
image, before any is zeroed. Corrected, categories count the zeroed answers about all images, and an image that is
missing doesn't drop its item. Source of the official rule: ELLA, dpg_bench/compute_dpg_bench.py at 3c228f1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from statistics import fmean

from nova_bench.judges.base import YES
from nova_bench.scorers.base import Counted, Recorded, Tallied
from nova_bench.scorers.dpg.questions import Question, Questions

PERCENT = 100.0
IMAGES = 4
"""Most images of a prompt in one file of the official script, a grid."""
ZEROED = "zeroed_by"
OFFICIAL_ZEROED = "official_zeroed_by"
OFFICIAL_PROBLEM = "official_problem"
"""Names in the details of a row."""
Chosen = Callable[[Question], bool]
"""Which questions a category has."""


def official(samples: Sequence[Recorded], chosen: Chosen | None = None) -> list[Tallied | None]:
    """What each image of an item counts for the overall, or for the category of the ``chosen`` questions.

    Each four images are a file, which the script counts as an item of its own. All images of a file that it drops are
    not measurable.
    """
    found: list[Tallied | None] = [None] * len(samples)
    for places in _files(samples):
        for place, tallied in zip(places, _official_file([samples[place] for place in places], chosen), strict=True):
            found[place] = tallied
    return found


def _files(samples: Sequence[Recorded]) -> list[list[int]]:
    """The places of the images that are one file of the official script."""
    files: dict[int, list[int]] = {}
    for place, sample in enumerate(samples):
        files.setdefault(sample.index // IMAGES, []).append(place)
    return list(files.values())


def _official_file(samples: Sequence[Recorded], chosen: Chosen | None) -> list[Tallied | None]:
    questions = _questions(samples)
    indices = [i for i in questions.official.values() if chosen is None or chosen(questions.dpg_questions[i])]
    last = max(sample.index for sample in samples)
    if problem := _dropped(questions, samples):
        dropped = Tallied(None, reason=f"the official script drops the item: {problem}")
        return [dropped if chosen is None or (indices and sample.index == last) else None for sample in samples]
    if chosen is None:
        return [Tallied(PERCENT * fmean(_counts(sample, indices, OFFICIAL_ZEROED))) for sample in samples]
    return [_share(_counts(sample, indices)) if sample.index == last else None for sample in samples]


def _dropped(questions: Questions, samples: Sequence[Recorded]) -> str:
    """Why the official script drops an item; empty if it doesn't."""
    if not questions.official:
        return "it doesn't know the item, whose only question is the file's first row"
    for sample in samples:
        if sample.details is None:
            return f"image {sample.index + 1} has no answers"
        if problem := sample.details[OFFICIAL_PROBLEM]:
            return problem
    return ""


def corrected(samples: Sequence[Recorded], chosen: Chosen | None = None) -> list[Tallied | None]:
    """What each image of an item counts for the overall, or for the category of the ``chosen`` questions.

    An item with faulty questions fails.
    """
    questions = _questions(samples)
    if problem := "; ".join(questions.dpg_faults):
        return [Tallied(None, reason=problem, failed=True) for _ in samples]
    indices = [i for i, question in enumerate(questions.dpg_questions) if chosen is None or chosen(question)]
    scored = sum(sample.details is not None for sample in samples)
    found: list[Tallied | None] = []
    for sample in samples:
        if not indices:
            found.append(None)
        elif sample.details is None:
            found.append(Tallied(None, reason="the image has no answers", failed=True))
        elif chosen is None:
            found.append(Tallied(PERCENT * fmean(_counts(sample, indices, ZEROED)), 1 / scored))
        else:
            found.append(_share(_counts(sample, indices, ZEROED)))
    return found


def official_categories(samples: Sequence[Recorded]) -> list[Counted]:
    """What an item adds to each category ("L2"): the answers about each file's last image, before any is zeroed."""
    questions = _questions(samples)
    files = [[samples[place] for place in places] for places in _files(samples)]
    last = [max(images, key=lambda sample: sample.index) for images in files if not _dropped(questions, images)]
    return _categories(questions, list(questions.official.values()), last, "")


def corrected_categories(samples: Sequence[Recorded]) -> list[Counted]:
    """What an item adds to each category ("L2"): the zeroed answers about all images."""
    questions = _questions(samples)
    scored = [] if questions.dpg_faults else [sample for sample in samples if sample.details is not None]
    return _categories(questions, range(len(questions.dpg_questions)), scored, ZEROED)


def _categories(questions: Questions, indices: Sequence[int], images: Sequence[Recorded], zeroed: str) -> list[Counted]:
    found = []
    for category in dict.fromkeys(question.category for question in questions.dpg_questions):
        asked = [q for q in questions.dpg_questions if q.category == category]
        counted = [i for i in indices if questions.dpg_questions[i].category == category]
        yes = sum(sum(_counts(image, counted, zeroed)) for image in images)
        known = len(counted) if images else 0
        found.append(Counted(category, asked[0].group, yes, len(images) * len(counted), known, len(asked)))
    return found


def _counts(sample: Recorded, indices: Sequence[int], zeroed: str = "") -> list[bool]:
    """Whether each of these questions counts as yes, after those are zeroed that the rule ``zeroed`` names."""
    assert sample.details is not None, "see the callers"
    answers = sample.details["answers"]
    return [answers[i]["answer"] == YES and (not zeroed or answers[i][zeroed] is None) for i in indices]


def _share(yes: Sequence[bool]) -> Tallied | None:
    """The share of yes in percent, weighted by the number of questions; None without a question."""
    return Tallied(PERCENT * fmean(yes), len(yes)) if yes else None


def _questions(samples: Sequence[Recorded]) -> Questions:
    questions = samples[0].metadata
    assert isinstance(questions, Questions)
    return questions


def _is_of(group: str, question: Question) -> bool:
    return question.group == group


def of_group(group: str) -> Chosen:
    """The questions of one of :data:`nova_bench.scorers.dpg.questions.GROUPS`."""
    return partial(_is_of, group)


official_global, official_entity, official_attribute, official_relation, official_other = (
    partial(official, chosen=of_group(group)) for group in ("global", "entity", "attribute", "relation", "other")
)
corrected_global, corrected_entity, corrected_attribute, corrected_relation, corrected_other = (
    partial(corrected, chosen=of_group(group)) for group in ("global", "entity", "attribute", "relation", "other")
)
