"""What a scorer returned or raised -> the row that is stored."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from nova_bench.core.batches import one_line
from nova_bench.pipeline.failures import failure_details
from nova_bench.scorers.base import Score
from nova_bench.store import Row, Status


def complete(row: Row, outcome: Score | Exception) -> Row:
    """Return the row of an outcome. A non-finite number is an error, never a score, also in details and weights."""
    if isinstance(outcome, Exception):
        return replace(row, message=one_line(outcome), details=failure_details(outcome))
    try:
        value = None if outcome.value is None else float(outcome.value)
        weight = float(outcome.weight)
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        return replace(row, message=f"{row.scorer} returned no score: {one_line(error)}")
    numbers = [("", value), ("a weight of ", weight), *_numbers(outcome.details)]
    for what, number in numbers:
        if number is not None and not math.isfinite(number):
            return replace(row, message=f"{row.scorer} returned {what}{number}: not a finite number")
    if value is None:
        message = outcome.reason or "no value"
        return replace(row, status=Status.NOT_MEASURABLE, message=message, details=outcome.details)
    return replace(row, status=Status.OK, value=value, weight=weight, details=outcome.details)


def _numbers(details: Any, above: str = "") -> Iterator[tuple[str, float]]:
    """Every float of a score's details, with the prefix that an error message gives it."""
    if isinstance(details, float):
        yield f"details.{above} = ", details
    elif isinstance(details, Mapping):
        for key, part in details.items():
            yield from _numbers(part, f"{above}.{key}" if above else str(key))
    elif isinstance(details, list | tuple):
        for index, part in enumerate(details):
            yield from _numbers(part, f"{above}.{index}")
