"""Building blocks of the suite models: their base class, and field types with their ranges."""

from __future__ import annotations

import typing
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Self, Union

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationInfo, field_validator

from nova_bench.config import ranges


class SpecModel(BaseModel):
    """Base of every part of a suite: frozen, unknown keys are errors, every field has a docstring."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _strict(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse what Python accepts: true as the number 1, and text that can't be written as UTF-8."""
        assert info.field_name is not None, "pydantic names the field to a validator of fields"
        kind: Any = cls.model_fields[info.field_name].annotation
        if isinstance(value, bool) and _takes_numbers(kind):
            raise ValueError("expected a number")
        if isinstance(value, int) and not -(2**63) <= value < 2**64:
            raise ValueError("expected a number of at most 64 bits")
        if not _is_unicode(value):
            raise ValueError("expected text in valid Unicode")
        return value


class SuiteModel(SpecModel):
    """Base of a whole suite, which knows the files it was read from."""

    _files: tuple[Path, ...] = PrivateAttr(())

    @property
    def files(self) -> tuple[Path, ...]:
        """The file that this suite was read from, and those it extends; empty if it was made otherwise."""
        return self._files

    def read_from(self, files: tuple[Path, ...]) -> Self:
        """The same suite, read from these files."""
        suite = self.model_copy()
        suite._files = files
        return suite


@cache
def _takes_numbers(annotation: Any) -> bool:
    """Whether a field of that type accepts numbers but not truth values."""
    parts = typing.get_args(annotation) if typing.get_origin(annotation) in (Annotated, Union, UnionType) else ()
    kinds = {part for part in (*parts, annotation) if isinstance(part, type)}
    return (int in kinds or float in kinds or any(map(_takes_numbers, parts))) and bool not in kinds


def _is_unicode(value: Any) -> bool:
    """Whether all text in a value, however deep, can be written as UTF-8: no half of a surrogate pair."""
    left = [value]
    while left:
        part = left.pop()
        if isinstance(part, str) and not part.isascii() and any("\ud800" <= letter <= "\udfff" for letter in part):
            return False
        if isinstance(part, dict):
            left += (*part.keys(), *part.values())
        elif isinstance(part, list | tuple):
            left += part
    return True


Seed = Annotated[int, Field(ge=0, le=ranges.SEED)]
Frames = Annotated[int, Field(ge=1, le=ranges.FRAMES)]
Side = Annotated[int, Field(ge=1, le=ranges.SIDE)]
Steps = Annotated[int, Field(ge=1, le=ranges.STEPS)]
Count = Annotated[int, Field(ge=1, le=ranges.SAMPLES)]
BatchSize = Annotated[int, Field(ge=1, le=ranges.BATCH)]
Align = Literal["time", "index"]
"""How frames are matched with those of a reference: by the time at which they are shown, or by their index."""


class ScorerSettings(BaseModel):
    """Settings of a scorer. Subclasses add documented fields; every field is part of the scorer's identity."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)
