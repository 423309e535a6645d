"""Metadata as a value: one text for equal values, unchanged by any way of writing it, joined name by name."""

from __future__ import annotations

import json
import pickle
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nova_bench.config.metadata import MOST_LEVELS, Metadata, MetadataSchema
from nova_bench.config.suite import PromptEntry
from nova_bench.core.errors import UserError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
NAMES = TEXTS.filter(bool)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8
)
MAPPINGS = st.dictionaries(NAMES, VALUES, max_size=4)


def shuffled(value: object, order: random.Random) -> object:
    """The same value with the keys of all mappings in another order."""
    if isinstance(value, dict):
        items = [(key, shuffled(part, order)) for key, part in value.items()]
        order.shuffle(items)
        return dict(items)
    return [shuffled(part, order) for part in value] if isinstance(value, list) else value


@given(MAPPINGS, st.randoms(use_true_random=False))
def test_the_order_of_keys_changes_nothing(values: dict, order: random.Random) -> None:
    first, second = Metadata.of(values), Metadata.of(shuffled(values, order)).placed("there.yaml:3")
    assert first == second
    assert hash(first) == hash(second)
    assert first.text == second.text


@given(MAPPINGS)
def test_every_way_of_writing_it_gives_it_back(values: dict) -> None:
    entry = PromptEntry(text="x", metadata=values)
    assert entry.metadata.values() == values
    for again in (
        PromptEntry.model_validate(entry.model_dump()),
        PromptEntry.model_validate_json(entry.model_dump_json()),
        PromptEntry(text="x", metadata=json.loads(json.dumps(values))),
        pickle.loads(pickle.dumps(entry)),
    ):
        assert again == entry


@given(MAPPINGS, MAPPINGS)
def test_joining_keeps_all_names_and_refuses_two_values_of_one(first: dict, second: dict) -> None:
    mine, others = Metadata.of(first).placed("a.csv:2"), Metadata.of(second).placed("b.csv:3")
    equal = all(mine.only([name]) == others.only([name]) for name in first.keys() & second.keys())
    if equal:
        joined = mine.joined(others, "a cat")
        assert joined.values().keys() == first.keys() | second.keys()
        assert joined == others.joined(mine, "a cat")
        assert all(joined.place(name) == "a.csv:2" for name in first)
        assert all(joined.place(name) == "b.csv:3" for name in second.keys() - first.keys())
    else:
        with pytest.raises(UserError, match=r"^b\.csv:3: prompt 'a cat': metadata .* at a\.csv:2"):
            mine.joined(others, "a cat")


def test_nobody_changes_it() -> None:
    given = {"boxes": [1, 2]}
    metadata = Metadata.of(given)
    given["boxes"].append(3)
    metadata.values()["boxes"].append(3)
    assert metadata.values() == {"boxes": [1, 2]}


class Boxes(MetadataSchema):
    """What a scorer of boxes reads."""

    boxes: tuple[tuple[int, int], ...]
    """Corners."""
    label: str = "any"
    """Name of what is inside."""


def test_a_scorer_gets_the_names_that_it_reads_with_their_types() -> None:
    read = Metadata.of({"boxes": [[1, 2], [3, 4]], "color": "red"}).read(Boxes)
    assert read == Boxes(boxes=((1, 2), (3, 4)), label="any")
    with pytest.raises(ValidationError, match="label"):
        Metadata.of({"boxes": [], "label": 3}).read(Boxes)
    with pytest.raises(ValidationError, match=r"boxes\.0\.1"):
        Metadata.of({"boxes": [[1, "2"]]}).read(Boxes)


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


def test_what_is_no_json_is_refused_at_its_name() -> None:
    PromptEntry(text="x", metadata={"a": nested(MOST_LEVELS)})
    for value in (nested(MOST_LEVELS + 1), nested(800), float("nan"), {"b": b"x"}, {1: 2}, object()):
        with pytest.raises(ValidationError) as caught:
            PromptEntry(text="x", metadata={"a": value})
        assert caught.value.errors()[0]["loc"] == ("metadata", "a")
