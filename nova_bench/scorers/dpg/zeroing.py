"""Which answers about one image count as yes: as the official script decides, and corrected.

Source of the official rule: ELLA, dpg_bench/compute_dpg_bench.py at 3c228f1, run as one process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from nova_bench.judges.base import YES
from nova_bench.scorers.dpg.questions import NO_PARENT, Item, Question, asked_order


class MissingParent(ValueError):
    """A question depends on one that isn't there, and the rule looked it up."""

    def __init__(self, question: Question, parent: int):
        super().__init__(f"question {question.number} depends on {parent}, which isn't there")
        self.parent = parent


@dataclass(frozen=True)
class TileAnswers:
    """The answers about one image of an item: yes or not by question, and what made some of them count as no."""

    yes: Mapping[int, bool]
    zeroed_by: Mapping[int, int]
    """The parent that was answered no, of each question that therefore counts as no."""

    def counts(self, number: int) -> bool:
        """Whether a question counts as yes."""
        return self.yes[number] and number not in self.zeroed_by

    @property
    def score(self) -> float:
        """Share of the questions that count as yes."""
        return fmean(self.counts(number) for number in self.yes)


def official_tile(item: Item, answers: Mapping[int, str]) -> TileAnswers:
    """Zeroed in the file's order, so a question before its parent doesn't notice that the parent is zeroed later.

    Raises MissingParent if a parent that isn't there is looked up: not behind a parent answered no.
    """
    yes = {number: answers[number] == YES for number in item}
    counts, zeroed_by = dict(yes), {}
    for number, question in item.items():
        for parent in question.parents:
            if parent == NO_PARENT:
                continue
            if parent not in counts:
                raise MissingParent(question, parent)
            if not counts[parent]:
                counts[number], zeroed_by[number] = False, parent
                break
    return TileAnswers(yes, zeroed_by)


def corrected_tile(item: Item, answers: Mapping[int, str]) -> TileAnswers:
    """Zeroed from the roots on, whatever the file's order. For items without a fault."""
    yes = {number: answers[number] == YES for number in item}
    counts, zeroed_by = dict(yes), {}
    for number in asked_order(item):
        for parent in item[number].parents:
            if parent != NO_PARENT and not counts[parent]:
                counts[number], zeroed_by[number] = False, parent
                break
    return TileAnswers(yes, zeroed_by)
