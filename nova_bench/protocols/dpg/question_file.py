"""The file of DPG-Bench's questions (`dpg_bench.csv`): one row for each, with the questions that it depends on."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError
from itertools import groupby
from pathlib import Path

from nova_bench.core.errors import UserError
from nova_bench.core.messages import shorten
from nova_bench.core.regular_files import read_text
from nova_bench.scorers.dpg.questions import GROUPS, NO_PARENT, Question, asked_order

_REQUIRED = ("item_id", "text", "proposition_id", "dependency", "tuple", "question_natural_language")
_REMEDY = "use the official dpg_bench.csv"


@dataclass(frozen=True)
class FileRow:
    """A question with its item and the item's prompt."""

    item: str
    prompt: str
    question: Question


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

    rows: tuple[FileRow, ...]
    faults: tuple[Fault, ...]

    def items(self) -> dict[str, list[FileRow]]:
        """The rows of each item, wherever they stand."""
        found: dict[str, list[FileRow]] = defaultdict(list)
        for row in self.rows:
            found[row.item].append(row)
        return dict(found)

    def official_lines(self) -> dict[str, tuple[int, ...]]:
        """The lines of each item that the official script reads, in its order.

        The first row of the file is lost. A block of rows replaces an earlier one of the same item, and a row an
        earlier one of the same number, in its place.
        """
        found = {}
        for item, rows in groupby(self.rows[1:], key=lambda row: row.item):
            found[item] = tuple({row.question.number: row.question.line for row in rows}.values())
        return found


def read_questions(path: Path) -> QuestionFile:
    """Read and check a whole file. Raises UserError if it is no CSV in UTF-8 with the official columns."""
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: can't be read as UTF-8 text: {error}", _REMEDY) from error
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    if missing := [column for column in _REQUIRED if column not in (reader.fieldnames or ())]:
        raise UserError(f"{path}: lacks the columns {', '.join(missing)}", _REMEDY)
    rows: list[FileRow] = []
    faults: list[Fault] = []
    line = reader.line_num + 1
    for record in reader:
        _understand(record, line, rows, faults)
        line = reader.line_num + 1
    if not rows:
        raise UserError(f"{path}: contains no question", _REMEDY)
    faults += _structural_faults(rows)
    return QuestionFile(tuple(rows), tuple(sorted(faults, key=lambda fault: fault.line)))


def _understand(record: Mapping[str, str | None], line: int, rows: list[FileRow], faults: list[Fault]) -> None:
    item = record["item_id"] or ""
    problems = [f"the column {column} is empty" for column in _REQUIRED if not (record[column] or "").strip()]
    number = _whole(record["proposition_id"])
    parents = [_whole(part) for part in (record["dependency"] or "").split(",")]
    if number is None and record["proposition_id"]:
        problems.append(f"proposition_id is {shorten(record['proposition_id'])}, expected a whole number")
    if None in parents and record["dependency"]:
        problems.append(f"dependency is {shorten(record['dependency'])}, expected whole numbers with commas")
    faults += [Fault(line, item, problem) for problem in problems]
    if number is None or None in parents or not item:
        return
    known = tuple(parent for parent in parents if parent is not None)
    text = record["question_natural_language"] or ""
    question = Question(number=number, text=text, proposition=record["tuple"] or "", parents=known, line=line)
    rows.append(FileRow(item, record["text"] or "", question))
    if question.group not in GROUPS:
        faults.append(Fault(line, item, f"{shorten(question.category)} is no category of DPG-Bench"))


def _whole(text: str | None) -> int | None:
    try:
        return int((text or "").strip())
    except ValueError:
        return None


def _structural_faults(rows: Sequence[FileRow]) -> list[Fault]:
    faults = []
    blocks: Counter[str] = Counter()
    prompts: dict[str, str] = {}
    for item, block in groupby(rows, key=lambda row: row.item):
        first = next(block)
        blocks[item] += 1
        if blocks[item] > 1:
            faults.append(Fault(first.question.line, item, "its questions stand in two places of the file"))
        elif prompts.setdefault(first.prompt, item) != item:
            faults.append(Fault(first.question.line, item, f"has the prompt of item {shorten(prompts[first.prompt])}"))
    for item, together in QuestionFile(tuple(rows), ()).items().items():
        if len({row.prompt for row in together}) > 1:
            faults.append(Fault(together[0].question.line, item, "its rows have different prompts"))
        faults += _faults_of_graph(item, [row.question for row in together])
    return faults


def _faults_of_graph(item: str, questions: Sequence[Question]) -> list[Fault]:
    faults = []
    seen: dict[int, Question] = {}
    for question in questions:
        if question.number in seen:
            first = seen[question.number].line
            faults.append(Fault(question.line, item, f"proposition {question.number} is on line {first} too"))
        seen[question.number] = question
    for question in questions:
        faults += [
            Fault(question.line, item, f"depends on proposition {parent}, which isn't there")
            for parent in question.parents
            if parent not in seen and parent != NO_PARENT
        ]
    try:
        asked_order(seen)
    except CycleError as error:
        circle = error.args[1]
        what = f"questions depend on one another: {' -> '.join(map(str, circle))}"
        faults.append(Fault(seen[circle[0]].line, item, what))
    return faults
