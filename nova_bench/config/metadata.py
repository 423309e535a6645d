"""What a benchmark states about a prompt besides its text: the values, and the schemas that scorers read them with."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from nova_bench.core.errors import UserError
from nova_bench.core.identity import canonical_json
from nova_bench.core.messages import shorten

MOST_LEVELS = 32
"""Maximum nesting of lists and mappings in one value."""

ITEM = "item"
"""Metadata of a prompt: its id in its benchmark, after which the benchmark's own tools name files."""


class MetadataSchema(BaseModel):
    """Typed, named metadata: what a benchmark states, or what a scorer reads.

    Subclasses add documented fields; a field without a default is required. Types are strict: 3 is not "3".
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


Schema = TypeVar("Schema", bound=MetadataSchema)


@dataclass(frozen=True)
class Metadata:
    """The metadata of a prompt: an immutable mapping of names to JSON values.

    It is kept as canonical JSON: equal values are equal texts whatever the order of their keys, and a digest of
    ``text`` is a digest of the values.
    """

    text: str = "{}"
    places: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    """Where each name was written, and under "" where the prompt was; used for errors only."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Make metadata from JSON values by name."""
        return cls(canonical_json(dict(values)))

    def values(self) -> dict[str, Any]:
        """A copy of all values by name."""
        return json.loads(self.text)

    def only(self, names: Iterable[str]) -> Metadata:
        """The part with these names; missing names are ignored."""
        return _only(self, frozenset(names))

    def read(self, schema: type[Schema]) -> Schema:
        """The fields of ``schema``; other names are ignored. Raises pydantic's ValidationError if they don't fit."""
        return _read(self, schema)

    def placed(self, where: str, names: Mapping[str, str] | None = None) -> Metadata:
        """The same metadata, written at ``where``; ``names`` gives the places of names that were written elsewhere."""
        return Metadata(self.text, {"": where, **dict.fromkeys(self.values(), where), **(names or {})})

    def place(self, name: str) -> str:
        """Where ``name`` was written; if it is absent, where the prompt was written. Empty if unknown."""
        return self.places.get(name, self.places.get("", ""))

    def joined(self, other: Metadata, prompt: str) -> Metadata:
        """Both combined. Raises UserError with both places if they give one name of ``prompt`` two values."""
        mine, others = self.values(), other.values()
        for name in sorted(mine.keys() & others.keys()):
            if self.only([name]) != other.only([name]):
                raise UserError(
                    f"{other.place(name)}: prompt {shorten(prompt)}: metadata {name!r} is {shorten(others[name])}, "
                    f"but {shorten(mine[name])} at {self.place(name)}",
                    "keep one of them",
                )
        return Metadata(Metadata.of({**others, **mine}).text, {**other.places, **self.places})

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Accept a mapping of names to JSON values, in suites and in JSON."""
        return core_schema.no_info_wrap_validator_function(
            lambda given, values: given if isinstance(given, cls) else cls.of(values(given)),
            handler(dict[_Name, _Value]),
            serialization=core_schema.plain_serializer_function_ser_schema(cls.values),
        )


@lru_cache(maxsize=8192)
def _read(metadata: Metadata, schema: type[Schema]) -> Schema:
    """Cached: a prompt's metadata is read once, not for each of its samples and metrics."""
    return schema.model_validate_json(metadata.only(schema.model_fields).text)


@lru_cache(maxsize=8192)
def _only(metadata: Metadata, names: frozenset[str]) -> Metadata:
    values = metadata.values()
    return Metadata.of({name: values[name] for name in names if name in values})


def _json_value(value: Any) -> Any:
    if not _is_json(value, MOST_LEVELS):
        raise ValueError(
            "expected text (a date in quotes), a finite number, true, false, null, or lists and mappings of them, "
            f"at most {MOST_LEVELS} levels deep"
        )
    return value


def _is_json(value: Any, levels: int) -> bool:
    """Whether a value is JSON with at most ``levels`` nested lists and mappings."""
    if isinstance(value, dict):
        return levels > 0 and all(isinstance(key, str) and _is_json(part, levels - 1) for key, part in value.items())
    if isinstance(value, list | tuple):
        return levels > 0 and all(_is_json(part, levels - 1) for part in value)
    return math.isfinite(value) if isinstance(value, float) else value is None or isinstance(value, str | int)


_Name = Annotated[str, Field(min_length=1)]
_Value = Annotated[Any, AfterValidator(_json_value)]
