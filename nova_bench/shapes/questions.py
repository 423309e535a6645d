"""Yes/no questions about a prompt, in DPG-Bench's own columns, and the judge's answers to them.

Format: ELLA, ``dpg_bench/dpg_bench.csv``. Each question depends on those that must be answered yes for it to make
sense: a missing circle has no colour.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from nova_bench.core.atomic_files import write_atomic
from nova_bench.core.errors import UserError
from nova_bench.shapes.captions import (
    COUNT_WORDS,
    Claims,
    ThingClaim,
    motion_text,
    named,
    relation_text,
)
from nova_bench.shapes.parsing import parse_caption, parse_motion, parse_name
from nova_bench.shapes.scene import Motion

if TYPE_CHECKING:
    from nova_bench.shapes.judge import Seen

COLUMNS = (
    "item_id",
    "text",
    "keywords",
    "proposition_id",
    "dependency",
    "category_broad",
    "category_detailed",
    "tuple",
    "question_natural_language",
)
_TUPLE = re.compile(r"(?P<broad>[a-z]+) - (?P<detailed>[a-z-]*) ?\((?P<arguments>.*)\)")


def questions(item_id: str, text: str) -> list[dict[str, str]]:
    """One row per question about what a caption states, all columns strings as in the published file.

    Raises UserError if the text isn't a caption of the shapes world, or if it names two objects of one shape: questions
    distinguish objects by shape.
    """
    said = parse_caption(text)
    if len({thing.shape for thing in said.things}) < len(said.things):
        raise UserError(f"{text!r}: two objects of one shape", "name different shapes")
    rows: list[dict[str, str]] = []
    for dependency, broad, detailed, arguments, question in _propositions(said):
        row = (
            item_id,
            text,
            ", ".join(named(thing.shape, said.count) for thing in said.things),
            str(len(rows) + 1),
            dependency,
            broad,
            detailed,
            f"{broad} - {detailed}{' ' if detailed else ''}({arguments})",
            question,
        )
        rows.append(dict(zip(COLUMNS, row, strict=True)))
    return rows


def write_rows(prompts: Iterable[tuple[str, str]], path: str | PathLike[str]) -> None:
    """Write the questions of (item_id, caption) pairs as one CSV file, atomically."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for item_id, prompt in prompts:
        writer.writerows(questions(item_id, prompt))
    write_atomic(Path(path), text.getvalue().encode())


_FURTHER_ARGUMENTS = {
    "other count": 1,
    "attribute color": 1,
    "attribute size": 1,
    "attribute other": 1,
    "entity state": 1,
    "relation spatial": 2,
}
"""What a tuple names besides its object."""


def answer(proposition: str, seen: Seen) -> bool | None:
    """Whether a video has what a question's ``tuple`` column states, for example "attribute - color (star, red)".

    If several objects have the named shape, attributes and states must hold for each of them. None if the proposition
    is about the motion of an object that is there, and there are too few frames to see motion. Raises ValueError for a
    tuple that :func:`questions` doesn't make.
    """
    from nova_bench.shapes.judge import MOTION_FRAMES, relation_share, shows

    match = _TUPLE.fullmatch(proposition)
    if not match:
        raise ValueError(f"{proposition!r} is not a question's tuple")
    kind, (name, *rest) = f"{match['broad']} {match['detailed']}".strip(), match["arguments"].split(", ")
    if len(rest) < _FURTHER_ARGUMENTS.get(kind, 0):
        raise ValueError(f"{proposition!r} lacks an argument")
    if kind == "global":
        return name == _background((seen.background, seen.gradient))
    things = [thing for thing in seen.things if thing.shape == parse_name(name)]
    if kind == "entity whole":
        return bool(things)
    if kind == "other count":
        return len(things) == int(rest[0].removeprefix("=="))
    if kind == "attribute color":
        return bool(things) and all(thing.color == rest[0] for thing in things)
    if kind == "attribute size":
        return bool(things) and all(thing.size == rest[0] for thing in things)
    if kind in ("entity state", "attribute other"):
        motion = parse_motion(rest[0])
        if things and len(seen.frames) < MOTION_FRAMES:
            return None
        return bool(things) and all(shows(thing.motion, motion) for thing in things)
    if kind == "relation spatial":
        others = [thing for thing in seen.things if thing.shape == parse_name(rest[0])]
        pairs = [(a, b) for a in things for b in others if a is not b]
        return any(relation_share(a, b, rest[1]) > 0.5 for a, b in pairs)
    raise ValueError(f"{proposition!r}: the shapes world has no such category")


def _propositions(said: Claims) -> Iterator[tuple[str, str, str, str, str]]:
    """(dependency, category_broad, category_detailed, arguments, question) of each question in order."""
    number = 0
    roots = []
    for thing in said.things:
        root = number + 1
        roots.append(str(root))
        for row in _about(thing, said.count, root):
            number += 1
            yield row
    if said.relation:
        first, second = (thing.shape for thing in said.things)
        text = relation_text(said.relation)
        yield (
            ", ".join(roots),
            "relation",
            "spatial",
            f"{first}, {second}, {said.relation}",
            f"Is the {first} {text} the {second}?",
        )
    if said.background:
        ground = _background(said.background)
        yield "0", "global", "", ground, f"Is this on a {ground}?"


def _about(thing: ThingClaim, count: int, root: int) -> Iterator[tuple[str, str, str, str, str]]:
    name, verb = named(thing.shape, count), "Are" if count > 1 else "Is"
    parent = str(root)
    some = "" if count > 1 else "a "
    yield "0", "entity", "whole", name, f"{verb} there {some}{name}?"
    if count > 1:
        yield parent, "other", "count", f"{name}, =={count}", f"Are there exactly {COUNT_WORDS[count - 1]} {name}?"
    yield parent, "attribute", "color", f"{name}, {thing.color}", f"{verb} the {name} {thing.color}?"
    if thing.size:
        yield parent, "attribute", "size", f"{name}, {thing.size}", f"{verb} the {name} {thing.size}?"
    if thing.motion:
        kind = motion_text(Motion(thing.motion.kind, thing.motion.direction))
        yield parent, "entity", "state", f"{name}, {kind}", f"{verb} the {name} {kind}?"
        if thing.motion.speed:
            state = str(root + 2 + bool(thing.size) + (count > 1))
            full = motion_text(thing.motion)
            yield state, "attribute", "other", f"{name}, {full}", f"{verb} the {name} {full}?"


def _background(background: tuple[str, bool]) -> str:
    name, gradient = background
    return f"{name} gradient background" if gradient else f"plain {name} background"
