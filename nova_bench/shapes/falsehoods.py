"""False statements about a scene of the shapes world, and the questions that ask about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

from nova_bench.shapes.captions import Claims, ThingClaim, text_of
from nova_bench.shapes.questions import questions
from nova_bench.shapes.scene import BACKGROUNDS, COLORS, MOTIONS, RELATIONS, SHAPES, SIZES, SPEEDS

PROPERTIES = ("count", "shape", "color", "size", "motion", "speed", "relation", "background")
_CATEGORIES = {
    "count": ("other - count",),
    "shape": ("entity - whole",),
    "color": ("attribute - color",),
    "size": ("attribute - size",),
    "motion": ("entity - state", "attribute - other"),
    "speed": ("attribute - other",),
    "relation": ("relation - spatial",),
    "background": ("global -",),
}


def falsified(said: Claims, name: str, random: Random) -> Claims | None:
    """These claims, with another value for one property of the first object; None if they don't state it."""
    first, *rest = said.things
    if name == "count":
        counts = [count for count in (1, 2, 3) if count != said.count]
        return None if rest else replace(said, count=random.choice(counts))
    if name == "relation":
        relations = [relation for relation in RELATIONS if relation != said.relation]
        return replace(said, relation=random.choice(relations)) if said.relation else None
    if name == "background":
        grounds = [(color, shade) for color in BACKGROUNDS for shade in (False, True)]
        grounds = [ground for ground in grounds if ground != said.background]
        return replace(said, background=random.choice(grounds)) if said.background else None
    other = _other_thing(first, said.things, name, random)
    return replace(said, things=(other, *rest)) if other else None


def _other_thing(thing: ThingClaim, all_of_them: Sequence[ThingClaim], name: str, random: Random) -> ThingClaim | None:
    """A thing with another value of its own property, which no thing of the text has if that is possible."""
    if name == "motion":
        now = thing.motion
        motions = [m for m in MOTIONS if now and (m.kind, m.direction) != (now.kind, now.direction)]
        motions = [motion for motion in motions if motion not in {one.motion for one in all_of_them}]
        return replace(thing, motion=random.choice(motions)) if motions else None
    if name == "speed":
        if thing.motion is None or thing.motion.speed is None:
            return None
        (speed,) = (speed for speed in SPEEDS if speed != thing.motion.speed)
        return replace(thing, motion=replace(thing.motion, speed=speed))
    now_named, options = getattr(thing, name), {"shape": SHAPES, "color": COLORS, "size": SIZES}[name]
    if now_named is None:
        return None
    taken = {getattr(one, name) for one in all_of_them}
    # One small and one large object: swap what is said of them.
    named = [option for option in options if option not in taken] or [one for one in options if one != now_named]
    change: dict[str, Any] = {name: random.choice(named)}
    return replace(thing, **change)


def false_questions(said: Claims, random: Random) -> list[dict[str, str]]:
    """Questions that must be answered no, in the form of :func:`questions`: one for each property that is stated.

    Their children, such as the speed of a wrong motion, are asked too.
    """
    rows = []
    for name in PROPERTIES:
        lie = falsified(said, name, random)
        if lie is not None:
            rows += [
                row
                for row in questions("false", text_of(lie, "verb"))
                if row["tuple"].split("(")[0].strip() in _CATEGORIES[name]
                and (name == "count" or lie.things[0].shape in row["tuple"] or name in ("relation", "background"))
            ]
    true = {row["tuple"] for row in questions("true", text_of(said, "verb"))}
    return [row for row in rows if row["tuple"] not in true]
