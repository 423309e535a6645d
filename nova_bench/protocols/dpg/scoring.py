"""DPG-Bench's scores from a judge's answers: as the official script computes them, and corrected.

Source of the official rules: ELLA, dpg_bench/compute_dpg_bench.py at 3c228f1, run as one process.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from nova_bench.protocols.dpg.questions import Item, Question, asked_order

YES = "yes"
"""The only answer that counts, letter by letter."""


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
            if parent == 0:
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
            if parent != 0 and not counts[parent]:
                counts[number], zeroed_by[number] = False, parent
                break
    return TileAnswers(yes, zeroed_by)


@dataclass(frozen=True)
class ScoredItem:
    """One file of a grid, or the images of one item: its questions, and the answers about each image."""

    item: Item
    tiles: Sequence[TileAnswers]

    @property
    def score(self) -> float:
        """Mean over the images."""
        return fmean(tile.score for tile in self.tiles)


@dataclass(frozen=True)
class Totals:
    """Scores in percent, as DPG-Bench's tables show them."""

    overall: float
    groups: Mapping[str, float]
    categories: Mapping[str, float]
    items: int
    answers: int
    """How many answers the categories are made of."""


def official_totals(scored: Sequence[ScoredItem]) -> Totals:
    """Categories count the answers about each last image, before any is zeroed. Raises ValueError without an item."""
    answers = [
        (question, scored_item.tiles[-1].yes[number])
        for scored_item in scored
        for number, question in scored_item.item.items()
    ]
    return _totals(scored, answers)


def corrected_totals(scored: Sequence[ScoredItem]) -> Totals:
    """Categories count the zeroed answers about all images. Raises ValueError without an item."""
    answers = [
        (question, tile.counts(number))
        for scored_item in scored
        for tile in scored_item.tiles
        for number, question in scored_item.item.items()
    ]
    return _totals(scored, answers)


def _totals(scored: Sequence[ScoredItem], answers: Sequence[tuple[Question, bool]]) -> Totals:
    if not scored:
        raise ValueError("no item was scored")
    return Totals(
        overall=100 * fmean(item.score for item in scored),
        groups=_percent((question.group, yes) for question, yes in answers),
        categories=_percent((question.category, yes) for question, yes in answers),
        items=len(scored),
        answers=len(answers),
    )


def _percent(answers: Iterable[tuple[str, bool]]) -> dict[str, float]:
    """The share of yes by name, in percent, sorted by name."""
    found: dict[str, list[bool]] = defaultdict(list)
    for name, yes in answers:
        found[name].append(yes)
    return {name: 100 * fmean(found[name]) for name in sorted(found)}
