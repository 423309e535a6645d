"""Typed records from CSV and JSONL files: manifests of videos, lists of prompts."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from nova_bench.core.errors import UserError
from nova_bench.core.json_text import parse_json
from nova_bench.core.messages import expectation, shorten
from nova_bench.core.registry import nearest
from nova_bench.core.regular_files import read_text, why_unread

Record = TypeVar("Record", bound=BaseModel)


def read_records(path: Path, record: type[Record]) -> list[tuple[str, Record]]:
    """Read a .csv or .jsonl file: each line as ``file:line`` and a ``record``.

    Columns that begin with ``x_`` are the user's own and are ignored. In CSV, empty cells count as absent, ``tags`` are
    separated by ``;``, and the column ``metadata.NAME`` holds the metadata of that name: a cell that is JSON gives its
    value (``3``, ``["bird", "cat"]``, ``"3"``), any other is text (``red``). UserErrors name the file, line, column and
    the nearest valid column.
    """
    readers = {".csv": _csv, ".jsonl": _jsonl}
    if path.suffix.lower() not in readers:
        raise UserError(f"{path}: neither .csv nor .jsonl", "rename it with the suffix of its format")
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: can't be read: {why_unread(error)}", "provide a UTF-8 .csv or .jsonl file") from error
    lines = readers[path.suffix.lower()](path, text)
    return [(place := f"{path}:{line}", _validated(fields, record, place)) for line, fields in lines]


def _validated(fields: dict[str, Any], record: type[Record], place: str) -> Record:
    own = {key: value for key, value in fields.items() if not key.startswith("x_")}
    try:
        return record.model_validate(own)
    except ValidationError as error:
        # A misspelt column also counts as a missing one: report the misspelt name.
        first = min(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
        column = str(first["loc"][0]) if first["loc"] else "record"
        if first["type"] == "extra_forbidden":
            message = f"unknown column {shorten(column)}{nearest(column, record.model_fields)}"
        elif first["type"] == "missing":
            message = f"no {column}"
        else:
            message = f"{column}: {expectation(first)}"
        raise UserError(
            f"{place}: {message}",
            f"columns: {','.join(record.model_fields)} (comma-separated); prefix your own columns with x_",
        ) from error


def _jsonl(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    # Not splitlines: JSON strings may contain U+2028 and other characters that Python treats as line ends.
    for line, content in enumerate(text.split("\n"), 1):
        if not content.strip():
            continue
        try:
            fields = parse_json(content)
        except ValueError as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            raise UserError(f"{path}:{line}: not JSON: {reason}", "write one JSON object per line") from error
        if not isinstance(fields, dict):
            raise UserError(f"{path}:{line}: not a JSON object", "write one JSON object per line")
        yield line, fields


def _csv(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        _check_header(path, reader.fieldnames or [])
        for fields in reader:
            if None in fields or None in fields.values():
                raise UserError(
                    f"{path}:{reader.line_num}: {len(reader.fieldnames or [])} columns expected",
                    'quote fields that contain commas: "a cat, sleeping"',
                )
            row: dict[str, Any] = {key: value for key, value in fields.items() if value != ""}
            if "tags" in row:
                row["tags"] = tuple(tag.strip() for tag in row["tags"].split(";") if tag.strip())
            yield reader.line_num, _with_metadata(row)
    except csv.Error as error:
        raise UserError(f"{path}:{reader.line_num}: {error}", "provide a UTF-8 CSV file") from error


def _with_metadata(row: dict[str, Any]) -> dict[str, Any]:
    """The row with its ``metadata.NAME`` cells as one mapping; a plain column ``metadata`` is left to be refused."""
    prefix = "metadata."
    cells = {key.removeprefix(prefix): _cell(text) for key, text in row.items() if key.startswith(prefix)}
    rest = {key: value for key, value in row.items() if not key.startswith(prefix)}
    return {"metadata": cells, **rest} if cells else rest


def _cell(text: str) -> Any:
    """The value of a cell that is JSON, else the text itself."""
    try:
        value = parse_json(text)
    except ValueError:
        return text
    # Python also accepts NaN, Infinity and 1e999 as JSON.
    return text if isinstance(value, float) and not math.isfinite(value) else value


def _check_header(path: Path, names: Sequence[str]) -> None:
    """Refuse unnamed and duplicate columns; unknown names are reported with the first line."""
    if "" in names:
        raise UserError(
            f"{path}:1: column {list(names).index('') + 1} has no name",
            "name it x_..., or leave it out (pandas: index=False)",
        )
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise UserError(f"{path}:1: column {shorten(twice[0])} appears twice", "remove one of them")
