"""Describes in plain words what a value should have been: for errors in suites, manifests and prompt files."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from nova_bench.core.registry import nearest

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

SHOWN_CHARACTERS = 80

# pydantic's error types whose own message speaks of Python types.
_WORDS = {
    "bool_parsing": "expected true or false",
    "bool_type": "expected true or false",
    "dict_type": "expected a mapping",
    "finite_number": "expected a finite number",
    "float_parsing": "expected a number",
    "float_type": "expected a number",
    "greater_than": "expected more than {gt}",
    "greater_than_equal": "expected at least {ge}",
    "int_from_float": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_parsing_size": "expected a smaller whole number",
    "int_type": "expected a whole number",
    "less_than": "expected less than {lt}",
    "less_than_equal": "expected at most {le}",
    "model_type": "expected a mapping",
    "string_pattern_mismatch": "expected text of the form {pattern}",
    "string_too_short": "expected some text",
    "string_type": "expected text",
    "too_long": "expected at most {max_length}",
    "too_short": "expected at least {min_length}",
    "tuple_type": "expected a list",
}


def expectation(problem: ErrorDetails) -> str:
    """Format an entry of ``ValidationError.errors()`` as ``expected text (got 3)``, with the nearest valid name."""
    kind, given = problem["type"], problem["input"]
    if kind in _WORDS:
        words = _WORDS[kind].format(**problem.get("ctx", {}))
    else:
        words = problem["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    if kind == "string_type" and isinstance(given, bool | int | float | date):
        words += ", in quotes"
    shown = f" (got {shorten(given)})" if isinstance(given, str | int | float | bool | None) else ""
    hint = nearest(str(given), problem["ctx"]["expected"].split("'")[1::2]) if kind == "literal_error" else ""
    return f"{words}{shown}{hint}"


def and_more(first: str, count: int) -> str:
    """``first``, or for several ``first and 2 more``."""
    return first if count == 1 else f"{first} and {count - 1} more"


def shorten(value: Any) -> str:
    """A value as it is shown in an error: quoted, and shortened if it is long."""
    try:
        text = repr(value)
    except ValueError:  # more digits than Python prints
        return "a number of thousands of digits"
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 3]}..."
