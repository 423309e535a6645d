"""What DPG-Bench states about a prompt: yes/no questions, each with those that must be answered yes first."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import TopologicalSorter

from nova_bench.config.metadata import MetadataSchema

GROUPS = ("global", "entity", "attribute", "relation", "other")
"""Officially "L1", in the order of the published tables."""
NO_PARENT = 0


class Question(MetadataSchema):
    """One question of an item."""

    number: int
    """Its id within the item."""
    text: str
    """The question in words."""
    proposition: str
    """What it asks about, for example "attribute - color (cat, red)"."""
    parents: tuple[int, ...] = ()
    """The questions that must be answered yes first; 0 is none."""
    line: int = 0
    """Line of the question file; 0 if there is none."""

    @property
    def category(self) -> str:
        """Officially "L2": the proposition before "(", for example "attribute - color"."""
        return self.proposition.split("(")[0].strip()

    @property
    def group(self) -> str:
        """Officially "L1": the category before its first hyphen."""
        return self.category.split("-")[0].strip()


class Questions(MetadataSchema):
    """What DPG-Bench's scorers read of a prompt."""

    dpg_questions: tuple[Question, ...]
    """All questions about the prompt, in the order of the question file."""
    dpg_official: tuple[int, ...] | None = None
    """Indices of the questions that the official script reads, in its order; absent: all. It loses the file's first
    row, and a question replaces an earlier one of the same number."""
    dpg_faults: tuple[str, ...] = ()
    """What is wrong with the questions; `dpg_bench_corrected` then fails the prompt."""

    @property
    def official(self) -> dict[int, int]:
        """Index of each question that the official script reads, by number; empty if it doesn't know the prompt."""
        indices = range(len(self.dpg_questions)) if self.dpg_official is None else self.dpg_official
        return {self.dpg_questions[index].number: index for index in indices}

    @property
    def corrected(self) -> dict[int, int]:
        """Index of every question by number."""
        return {question.number: index for index, question in enumerate(self.dpg_questions)}

    def item(self, indices: Mapping[int, int]) -> Item:
        """The questions with these indices."""
        return {number: self.dpg_questions[index] for number, index in indices.items()}


Item = Mapping[int, Question]
"""The questions of one item by number, in order."""


def asked_order(item: Item) -> list[int]:
    """The numbers with parents before children, otherwise in order. Raises graphlib.CycleError if there is none."""
    graph = {number: [p for p in question.parents if p in item] for number, question in item.items()}
    return list(TopologicalSorter(graph).static_order())
