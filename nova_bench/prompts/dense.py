"""Rewritten prompts: a file with a denser text of each prompt for the model, by prompt or line by line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nova_bench.core.errors import UserError
from nova_bench.core.json_text import parse_json
from nova_bench.core.messages import expectation
from nova_bench.core.notices import listed, unheard
from nova_bench.core.regular_files import read_text, why_unread
from nova_bench.core.tabular import read_records

_REMEDY = "each record has `prompt` and `dense_prompt`"


class DensePrompt(BaseModel):
    """One prompt and what the model is given instead; other fields, such as ids and tags, are ignored."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    prompt: str = Field(min_length=1)
    """The benchmark's own text."""
    dense_prompt: str = Field(min_length=1)
    """What the model is given."""


def read_dense_prompts(path: Path, notice: Callable[..., None] = unheard) -> dict[str, str]:
    """Prompt -> dense prompt, from a .json list, a .jsonl or a .csv file.

    If a prompt occurs several times, its first text counts, since a benchmark's file names have room for only one;
    ``notice(text, names)`` reports it.
    UserError names the file and the record.
    """
    if path.suffix.lower() == ".json":
        records = _from_json(path)
    else:
        records = [record for _, record in read_records(path, DensePrompt)]
    return _first_of_each(records, path, notice)


def read_dense_lines(path: Path, prompts: Sequence[str], notice: Callable[..., None] = unheard) -> dict[str, str]:
    """As :func:`read_dense_prompts`, from a text file: its n-th line is the dense text of the n-th of ``prompts``."""
    try:
        lines = read_text(path).removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: can't be read: {why_unread(error)}", "correct prompts.dense") from error
    texts = [line.strip() for line in lines]
    if len(texts) != len(prompts) or "" in texts:
        empty = f"line {texts.index('') + 1} is empty" if "" in texts else f"{len(texts)} lines"
        raise UserError(f"{path}: {empty}, but there are {len(prompts)} prompts", "one line per prompt, in their order")
    records = [DensePrompt(prompt=prompt, dense_prompt=text) for prompt, text in zip(prompts, texts, strict=True)]
    return _first_of_each(records, path, notice)


def _first_of_each(records: Sequence[DensePrompt], path: Path, notice: Callable[..., None]) -> dict[str, str]:
    dense: dict[str, str] = {}
    others: dict[str, None] = {}
    for record in records:
        if dense.setdefault(record.prompt, record.dense_prompt) != record.dense_prompt:
            others[record.prompt] = None
    if others:
        what = f"{len(others)} prompts have several dense texts; the first one counts"
        notice(f"{path}: {what}: {listed(list(others))}", list(others))
    return dense


def _from_json(path: Path) -> list[DensePrompt]:
    try:
        content = parse_json(read_text(path))
    except OSError as error:
        raise UserError(f"{path}: can't be read: {error.strerror or error}", "correct prompts.dense") from error
    except ValueError as error:
        raise UserError(f"{path}: not JSON: {error}", "a list of records; or name it .jsonl or .csv") from error
    if not isinstance(content, list):
        raise UserError(f"{path}: not a list", _REMEDY)
    return [_validated(record, number, path) for number, record in enumerate(content, 1)]


def _validated(record: object, number: int, path: Path) -> DensePrompt:
    try:
        return DensePrompt.model_validate(record)
    except ValidationError as error:
        first = error.errors()[0]
        field = f"{first['loc'][0]}: " if first["loc"] else ""
        words = "missing" if first["type"] == "missing" else expectation(first)
        raise UserError(f"{path}: record {number}: {field}{words}", _REMEDY) from error
