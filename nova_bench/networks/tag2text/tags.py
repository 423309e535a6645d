"""Tag2Text's list of tags, and which of them apply."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from nova_bench.core.errors import UserError
from nova_bench.core.regular_files import read_text
from nova_bench.networks.tag2text.model import TAGS

TAGS_ASSET = "tag2text-tags"
_LIST = "tra_array"  # its name in the file
_THRESHOLD = 0.7
_NEVER = [127, 3265, 3338, 3351, 3355, 3359]  # quarter, and the numbers from one to five


def names_of(logits: Tensor, names: Sequence[str]) -> list[list[str]]:
    """The tags of each image that have a probability above 0.7, in the list's order, from logits [N, tags]."""
    applies = logits.sigmoid() > _THRESHOLD
    applies[:, _NEVER] = False
    return [[names[number] for number, on in enumerate(row) if on] for row in applies.tolist()]


def read_tags(path: Path) -> list[str]:
    """The names from VBench's Python file, which is read and never run. Raises UserError if it is another file."""
    try:
        names = next(ast.literal_eval(value) for value in _assigned(read_text(path)) if isinstance(value, ast.List))
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError, StopIteration) as error:
        raise _wrong(path, f"contains no list {_LIST}") from error
    if not all(isinstance(name, str) for name in names) or len(names) != TAGS:
        raise _wrong(path, f"its list has {len(names)} entries, expected {TAGS} names")
    return names


def _assigned(source: str) -> list[ast.expr]:
    """The values that the list's name is given."""
    return [
        statement.value
        for statement in ast.parse(source).body
        if isinstance(statement, ast.Assign)
        and any(isinstance(to, ast.Name) and to.id == _LIST for to in statement.targets)
    ]


def _wrong(path: Path, what: str) -> UserError:
    return UserError(
        f"{path}: {what}: not Tag2Text's list of tags",
        f"use the official file: python -m nova_bench assets fetch {TAGS_ASSET}",
    )
