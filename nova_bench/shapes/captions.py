"""Captions: a text's claims about a scene, and the text for a claim. :mod:`nova_bench.shapes.parsing` is the inverse.

scene -> claims(scene, template) -> text_of(...) -> caption -> parse_caption(...) -> the same claims
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from nova_bench.shapes.scene import (
    BACKGROUNDS,
    COLORS,
    DIRECTIONS,
    MOTIONS,
    RELATIONS,
    SHAPES,
    SIZES,
    SPEEDS,
    WALL_OF,
    Motion,
    Scene,
)


@dataclass(frozen=True)
class ThingClaim:
    """A text's claims about an object, or about each member of a group. None: not stated."""

    shape: str
    color: str
    size: str | None = None
    motion: Motion | None = None


@dataclass(frozen=True)
class Claims:
    """A text's claims about a video.

    things: one or two (a group is one). count: number of objects like the first; more than 1 only if ``things`` is one.
    relation: of the first thing to the second. background: colour and whether it is a gradient.
    """

    things: tuple[ThingClaim, ...]
    count: int = 1
    relation: str | None = None
    background: tuple[str, bool] | None = None

    @property
    def total(self) -> int:
        """Number of objects the text names."""
        return self.count + len(self.things) - 1


@dataclass(frozen=True)
class Template:
    """A wording, and what it leaves out (shape, colour, count, relation and kind of motion are always stated)."""

    style: str
    details: bool  # size and speed
    background: bool


SHORT_TEMPLATES = (
    Template("phrase", details=False, background=False),
    Template("verb", details=True, background=False),
    Template("phrase", details=False, background=True),
)
DENSE_TEMPLATES = (
    Template("verb", details=True, background=True),
    Template("phrase", details=True, background=True),
    Template("sentences", details=True, background=True),
)
TEMPLATES = SHORT_TEMPLATES + DENSE_TEMPLATES

STATED_MOTIONS = (*MOTIONS, *(Motion("move", direction, speed) for direction in DIRECTIONS for speed in SPEEDS))
"""Every motion that a text can state, with or without its speed."""
COUNT_WORDS = ("a", "two", "three")
_STYLES = ("phrase", "verb", "sentences")
_PARTICIPLE = {
    "static": "standing still",
    "move": "moving",
    "bounce": "bouncing",
    "grow": "growing",
    "shrink": "shrinking",
}
_FINITE = {
    "static": ("stands still", "stand still"),
    "move": ("moves", "move"),
    "bounce": ("bounces", "bounce"),
    "grow": ("grows", "grow"),
    "shrink": ("shrinks", "shrink"),
}
_SPEED_WORD = {"slow": "slowly", "fast": "quickly"}
_RELATION_WORDS = {"left of": "to the left of", "right of": "to the right of", "above": "above", "below": "below"}


def claims(scene: Scene, template: Template) -> Claims:
    """What a caption with this template states about a scene."""
    things = []
    for thing in scene.objects[:1] if scene.is_group else scene.objects:
        speed = thing.motion.speed if template.details else None
        motion = Motion(thing.motion.kind, thing.motion.direction, speed)
        things.append(ThingClaim(thing.shape, thing.color, thing.size if template.details else None, motion))
    return Claims(
        tuple(things),
        count=len(scene.objects) if scene.is_group else 1,
        relation=scene.relation,
        background=(scene.background, scene.gradient) if template.background else None,
    )


def caption(scene: Scene, template: int) -> str:
    """The caption of a scene: a pure function of the scene and the template's index in ``TEMPLATES``."""
    return text_of(claims(scene, TEMPLATES[template]), TEMPLATES[template].style)


def text_of(said: Claims, style: str) -> str:
    """The text that makes these claims: a "phrase", one with a "verb", or "sentences"."""
    return {"phrase": _phrase, "verb": _verb, "sentences": _sentences}[style](said)


def words(text: str) -> list[str]:
    """A text's words for a word-level tokenizer: lower case, without punctuation."""
    return re.findall(r"[a-z]+", text.lower())


@cache
def vocabulary() -> tuple[str, ...]:
    """Every word that can occur in captions, sorted."""
    return tuple(sorted({word for said in _every_word() for style in _STYLES for word in words(text_of(said, style))}))


def _noun(thing: ThingClaim, count: int = 1) -> str:
    """ "an orange star", "two small red circles"."""
    described = " ".join(word for word in (thing.size, thing.color, named(thing.shape, count)) if word)
    article = "an" if count == 1 and described[0] in "aeiou" else COUNT_WORDS[count - 1]
    return f"{article} {described}"


def named(shape: str, count: int = 1) -> str:
    """A shape's name, plural if there are several."""
    if count == 1:
        return shape
    return f"{shape}es" if shape.endswith("s") else f"{shape}s"


def motion_text(motion: Motion) -> str:
    """A motion as a participle: "moving up and left slowly"."""
    return _doing(motion, _PARTICIPLE[motion.kind])


def motion_forms(motion: Motion) -> tuple[str, ...]:
    """All texts of a motion: participle, and the finite verb for one and for several objects."""
    return tuple(_doing(motion, word) for word in (_PARTICIPLE[motion.kind], *_FINITE[motion.kind]))


def relation_text(relation: str) -> str:
    """A relation in words: "to the left of"."""
    return _RELATION_WORDS[relation]


def _doing(motion: Motion, word: str) -> str:
    """A motion in words after its verb, which is in the right form."""
    parts = [word]
    if motion.kind == "move":
        parts.append(motion.heading.replace(" ", " and "))
        if motion.speed:
            parts.append(_SPEED_WORD[motion.speed])
    elif motion.kind == "bounce":
        parts.append(f"off the {WALL_OF[motion.heading]} wall")
    return " ".join(parts)


def _clause(said: Claims, shape: str, motion: Motion, *, finite: bool) -> str:
    """ "the circle moving right", "the circle moves right"."""
    return f"the {named(shape, said.count)} {_action(said, motion, finite=finite)}"


def _action(said: Claims, motion: Motion, *, finite: bool) -> str:
    return _doing(motion, _FINITE[motion.kind][said.count > 1] if finite else _PARTICIPLE[motion.kind])


def _background(name: str, gradient: bool) -> str:
    return f"a {name} gradient background" if gradient else f"a plain {name} background"


def _phrase(said: Claims) -> str:
    return _one_line(said, finite=False)


def _verb(said: Claims) -> str:
    return _one_line(said, finite=True)


def _one_line(said: Claims, *, finite: bool) -> str:
    first = said.things[0]
    text = _noun(first, said.count)
    where = f" on {_background(*said.background)}" if said.background else ""
    if len(said.things) == 1:
        doing = f" {_action(said, first.motion, finite=finite)}" if first.motion else ""
        return f"{text}{doing}{where}"
    second = said.things[1]
    if said.relation:
        text += f"{' is' if finite else ''} {_RELATION_WORDS[said.relation]} {_noun(second)}"
    else:
        text += f" and {_noun(second)}"
    clauses = [_clause(said, thing.shape, thing.motion, finite=finite) for thing in said.things if thing.motion]
    return f"{text}{where}" + (f", {' and '.join(clauses)}" if clauses else "")


def _sentences(said: Claims) -> str:
    there = "There are" if said.total > 1 and not said.relation else "There is"
    head = f"{there} {_noun(said.things[0], said.count)}"
    if len(said.things) == 2:
        joint = _RELATION_WORDS[said.relation] if said.relation else "and"
        head += f" {joint} {_noun(said.things[1])}"
    sentences = [head]
    for thing in said.things:
        if thing.motion:
            clause = _clause(said, thing.shape, thing.motion, finite=True)
            sentences.append(clause[0].upper() + clause[1:])
    if said.background:
        name, gradient = said.background
        sentences.append(f"The background is {f'a {name} gradient' if gradient else f'plain {name}'}")
    return ". ".join(sentences) + "."


def _every_word() -> Iterator[Claims]:
    """Claims whose texts together use every word."""
    for count in (1, 2, 3):
        for shape in SHAPES:
            yield Claims((ThingClaim(shape, "red"),), count)
        for color in COLORS:
            for size in (None, *SIZES):
                yield Claims((ThingClaim("circle", color, size),), count)
        for motion in STATED_MOTIONS:
            yield Claims((ThingClaim("circle", "red", None, motion),), count)
    for relation in (None, *RELATIONS):
        yield Claims((ThingClaim("circle", "red", None, Motion("static")), ThingClaim("square", "blue")), 1, relation)
    for name in BACKGROUNDS:
        for gradient in (False, True):
            yield Claims((ThingClaim("circle", "red"),), 1, None, (name, gradient))
