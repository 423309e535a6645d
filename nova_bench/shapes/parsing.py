"""Parses captions: recovers exactly the claims that a text was made from.

Scorers need nothing but the prompt: they parse it. Wordings that no template produces, such as "a red circle and a
blue square", are understood if the grammar allows them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from nova_bench.core.errors import UserError
from nova_bench.shapes.captions import (
    COUNT_WORDS,
    STATED_MOTIONS,
    Claims,
    ThingClaim,
    motion_forms,
    named,
    relation_text,
)
from nova_bench.shapes.scene import BACKGROUNDS, COLORS, RELATIONS, SHAPES, SIZES, Motion


def parse_caption(text: str) -> Claims:
    """The claims of a text. Case, a final full stop and runs of spaces don't matter.

    Raises UserError if the text isn't in the grammar of the captions.
    """
    clean = " ".join(text.lower().split()).removesuffix(".")
    for pattern in _PATTERNS:
        if match := pattern.fullmatch(clean):
            said = _read(match.groupdict())
            if said is not None:
                return said
    raise UserError(
        f"{text!r} is not a caption of the shapes world", "write a text such as: a large red circle moving right slowly"
    )


def parse_name(name: str) -> str:
    """The shape with this singular or plural name. Raises ValueError if there is none."""
    if name not in _NAMES:
        raise ValueError(f"{name!r} is not a shape")
    return _NAMES[name]


def parse_motion(text: str) -> Motion:
    """The motion that a participle names. Raises ValueError if there is none."""
    if text not in _ACTIONS:
        raise ValueError(f"{text!r} is not a motion")
    return _ACTIONS[text]


def _either(options: Iterable[str]) -> str:
    """A pattern that matches any of the texts, longest first."""
    return "|".join(re.escape(text) for text in sorted(options, key=len, reverse=True))


_NAMES = {named(shape, count): shape for shape in SHAPES for count in (1, 2)}
_ACTIONS = {text: motion for motion in STATED_MOTIONS for text in motion_forms(motion)}
_RELATION_OF = {relation_text(relation): relation for relation in RELATIONS}


def _noun_pattern(tag: str) -> str:
    return (
        rf"(?P<count{tag}>an|{'|'.join(COUNT_WORDS)}) (?:(?P<size{tag}>{'|'.join(SIZES)}) )?"
        rf"(?P<color{tag}>{'|'.join(COLORS)}) (?P<shape{tag}>{_either(_NAMES)})"
    )


def _action_pattern(tag: str) -> str:
    return rf"(?P<motion{tag}>{_either(_ACTIONS)})"


def _clause_pattern(tag: str) -> str:
    return rf"the (?P<who{tag}>{_either(_NAMES)}) {_action_pattern(tag)}"


def _patterns() -> Iterator[str]:
    ground = rf"(?P<ground>{'|'.join(BACKGROUNDS)})"
    shade = ground.replace("ground", "shade")
    where = rf"(?: on a (?:plain {ground}|{shade} gradient) background)?"
    first, second = _noun_pattern("1"), _noun_pattern("2")
    joint = rf"(?:and|(?:is )?(?P<relation>{_either(_RELATION_OF)})) {second}"
    yield rf"{first}(?: {_action_pattern('1')})?{where}"
    yield rf"{first} {joint}{where}(?:, {_clause_pattern('1')}(?: and {_clause_pattern('2')})?)?"
    there, last = "there (?:is|are)", rf"(?:\. the background is (?:plain {ground}|a {shade} gradient))?"
    yield rf"{there} {first}(?:\. {_clause_pattern('1')})?{last}"
    yield rf"{there} {first} {joint}(?:\. {_clause_pattern('1')})?(?:\. {_clause_pattern('2')})?{last}"


_PATTERNS = [re.compile(pattern) for pattern in _patterns()]


def _read(found: dict[str, str | Any]) -> Claims | None:
    """Claims from a pattern's groups; None if the words contradict each other."""
    counts = [
        COUNT_WORDS.index("a" if found[f"count{tag}"] == "an" else found[f"count{tag}"]) + 1 for tag in _tags(found)
    ]
    claimed: dict[str, Motion] = {}
    shapes = [_NAMES[found[f"shape{tag}"]] for tag in _tags(found)]
    for tag in _tags(found):
        if action := found.get(f"motion{tag}"):
            who = _NAMES[found[f"who{tag}"]] if found.get(f"who{tag}") else shapes[int(tag) - 1]
            if who not in shapes or who in claimed:
                return None
            claimed[who] = _ACTIONS[action]
    if len(shapes) == 2 and (counts != [1, 1] or (claimed and shapes[0] == shapes[1])):
        return None
    things = tuple(
        ThingClaim(shape, found[f"color{tag}"], found[f"size{tag}"], claimed.get(shape))
        for tag, shape in zip(_tags(found), shapes, strict=True)
    )
    ground, shade = found.get("ground"), found.get("shade")
    return Claims(
        things,
        count=counts[0],
        relation=_RELATION_OF[found["relation"]] if found.get("relation") else None,
        background=(name, shade is not None) if (name := ground or shade) else None,
    )


def _tags(found: dict[str, str | Any]) -> list[str]:
    return [tag for tag in ("1", "2") if f"shape{tag}" in found]
