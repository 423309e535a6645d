"""The file of DPG-Bench's questions (`dpg_bench.csv`): one row for each, with the questions that it depends on."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import groupby
from pathlib import Path

from nova_bench.core.errors import UserError
from nova_bench.core.messages import shorten
from nova_bench.core.regular_files import read_text

GROUPS = ("global", "entity", "attribute", "relation", "other")
_REQUIRED = ("item_id", "text", "proposition_id", "dependency", "tuple", "question_natural_language")
_NO_PARENT = 0


@dataclass(frozen=True)
class Question:
    """One row: ``number`` is the question's id within its item, ``parents`` those that must be answered yes first."""

    line: int
    item: str
    prompt: str
    number: int
    parents: tuple[int, ...]
    category: str
    """Officially "L2": the text of the row's tuple before "(", for example "attribute - color"."""
    text: str

    @property
    def group(self) -> str:
        """Officially "L1": the category before its first hyphen."""
        return self.category.split("-")[0].strip()


@dataclass(frozen=True)
class Fault:
    """What is wrong with a row, and its item."""

    line: int
    item: str
    what: str

    def __str__(self) -> str:
        return f"line {self.line}: item {shorten(self.item)}: {self.what}"


@dataclass(frozen=True)
class QuestionFile:
    """All rows that can be understood, in order, and everything that is wrong, by line."""

    questions: tuple[Question, ...]
    faults: tuple[Fault, ...]

    def faults_by_item(self) -> dict[str, list[Fault]]:
        """The faults of each item that has any."""
        found: dict[str, list[Fault]] = defaultdict(list)
        for fault in self.faults:
            found[fault.item].append(fault)
        return dict(found)


Item = Mapping[int, Question]
"""The questions of one item by number, in order."""


def read_questions(path: Path) -> QuestionFile:
    """Read and check a whole file. Raises UserError if it is no CSV in UTF-8 with the official columns."""
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: can't be read as UTF-8 text: {error}", "use the official dpg_bench.csv") from error
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    if missing := [column for column in _REQUIRED if column not in (reader.fieldnames or ())]:
        raise UserError(f"{path}: lacks the columns {', '.join(missing)}", "use the official dpg_bench.csv")
    questions: list[Question] = []
    faults: list[Fault] = []
    line = reader.line_num + 1
    for row in reader:
        _understand(row, line, questions, faults)
        line = reader.line_num + 1
    if not questions:
        raise UserError(f"{path}: contains no question", "use the official dpg_bench.csv")
    faults += _structural_faults(questions)
    return QuestionFile(tuple(questions), tuple(sorted(faults, key=lambda fault: fault.line)))


def _understand(row: Mapping[str, str | None], line: int, questions: list[Question], faults: list[Fault]) -> None:
    item = row["item_id"] or ""
    problems = [f"the column {column} is empty" for column in _REQUIRED if not (row[column] or "").strip()]
    number = _whole(row["proposition_id"])
    parents = [_whole(part) for part in (row["dependency"] or "").split(",")]
    if number is None and row["proposition_id"]:
        problems.append(f"proposition_id is {shorten(row['proposition_id'])}, expected a whole number")
    if None in parents and row["dependency"]:
        problems.append(f"dependency is {shorten(row['dependency'])}, expected whole numbers with commas")
    faults += [Fault(line, item, problem) for problem in problems]
    if number is None or None in parents or not item:
        return
    category = (row["tuple"] or "").split("(")[0].strip()
    known = tuple(parent for parent in parents if parent is not None)
    question = Question(line, item, row["text"] or "", number, known, category, row["question_natural_language"] or "")
    questions.append(question)
    if question.group not in GROUPS:
        faults.append(Fault(line, item, f"{shorten(category)} is no category of DPG-Bench"))


def _whole(text: str | None) -> int | None:
    try:
        return int((text or "").strip())
    except ValueError:
        return None


def _structural_faults(questions: Sequence[Question]) -> list[Fault]:
    faults = []
    blocks: Counter[str] = Counter()
    for item, rows in groupby(questions, key=lambda question: question.item):
        first = next(rows)
        blocks[item] += 1
        if blocks[item] > 1:
            faults.append(Fault(first.line, item, "its questions stand in two places of the file"))
    for together in by_item(questions).values():
        faults += _faults_of_graph(together)
    return faults


def _faults_of_graph(rows: Sequence[Question]) -> list[Fault]:
    faults = []
    seen: dict[int, Question] = {}
    for question in rows:
        if question.number in seen:
            first = seen[question.number].line
            faults.append(Fault(question.line, question.item, f"proposition {question.number} is on line {first} too"))
        seen[question.number] = question
    for question in rows:
        faults += [
            Fault(question.line, question.item, f"depends on proposition {parent}, which isn't there")
            for parent in question.parents
            if parent not in seen and parent != _NO_PARENT
        ]
    try:
        asked_order(seen)
    except CycleError as error:
        circle = error.args[1]
        what = f"questions depend on one another: {' -> '.join(map(str, circle))}"
        faults.append(Fault(seen[circle[0]].line, rows[0].item, what))
    return faults


def by_item(questions: Iterable[Question]) -> dict[str, list[Question]]:
    """All questions of each item, wherever they stand."""
    found: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        found[question.item].append(question)
    return dict(found)


def asked_order(item: Item) -> list[int]:
    """The numbers with parents before children, otherwise in order. Raises graphlib.CycleError if there is none."""
    graph = {number: [p for p in question.parents if p in item] for number, question in item.items()}
    return list(TopologicalSorter(graph).static_order())


def official_items(questions: Sequence[Question]) -> dict[str, Item]:
    """The items as the official script reads them.

    The first row of the file is lost. A block of rows replaces an earlier one of the same item, and a row an earlier
    one of the same number, in its place.
    """
    items: dict[str, Item] = {}
    for item, rows in groupby(questions[1:], key=lambda question: question.item):
        items[item] = {question.number: question for question in rows}
    return items


def corrected_items(file: QuestionFile) -> dict[str, Item]:
    """The items without a fault, with all of their rows."""
    faulty = file.faults_by_item()
    return {
        item: {question.number: question for question in rows}
        for item, rows in by_item(file.questions).items()
        if item not in faulty
    }
