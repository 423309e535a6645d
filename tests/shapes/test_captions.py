"""Captions say what the scene has, and reading them gives back exactly what they say."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_bench.core.errors import UserError
from nova_bench.shapes import TEMPLATES, Claims, Motion, ShapesWorld, ThingClaim, caption, parse_caption, words
from nova_bench.shapes.captions import claims, text_of
from nova_bench.shapes.sampling import SPLITS
from nova_bench.shapes.scene import BACKGROUNDS, COLORS, DIRECTIONS, MOTIONS, RELATIONS, SHAPES, SIZES, SPEEDS

MOTION = st.one_of(
    st.none(),
    st.sampled_from(MOTIONS),
    st.builds(Motion, st.just("move"), st.sampled_from(list(DIRECTIONS)), st.sampled_from(SPEEDS)),
)
THING = st.builds(ThingClaim, st.sampled_from(SHAPES), st.sampled_from(COLORS), st.sampled_from([None, *SIZES]), MOTION)
GROUND = st.none() | st.tuples(st.sampled_from(BACKGROUNDS), st.booleans())
SINGLE = st.builds(Claims, st.tuples(THING), st.integers(1, 3), st.none(), GROUND)
PAIR = st.builds(
    Claims,
    st.tuples(THING, THING).filter(lambda things: things[0].shape != things[1].shape),
    st.just(1),
    st.sampled_from([None, *RELATIONS]),
    GROUND,
)
STYLE = st.sampled_from(["phrase", "verb", "sentences"])


@settings(max_examples=400, deadline=None)
@given(said=SINGLE | PAIR, style=STYLE)
def test_parsing_inverts_wording(said: Claims, style: str) -> None:
    text = text_of(said, style)
    assert parse_caption(text) == said
    assert parse_caption(f"  {text.upper()} ") == said
    assert set(words(text)) <= set(ShapesWorld().vocabulary())


@settings(max_examples=100, deadline=None)
@given(split=st.sampled_from(SPLITS), index=st.integers(0, 999_999))
def test_captions_of_scenes(split: str, index: int) -> None:
    clip = ShapesWorld(split)[index]
    for number, template in enumerate(TEMPLATES):
        assert parse_caption(caption(clip.scene, number)) == claims(clip.scene, template)
    full = parse_caption(clip.dense_caption)
    assert full.total == len(clip.scene.objects)
    assert full.relation == clip.scene.relation
    assert full.background == (clip.scene.background, clip.scene.gradient)
    for claim, thing in zip(full.things, clip.scene.objects, strict=False):
        assert (claim.shape, claim.color, claim.size) == (thing.shape, thing.color, thing.size)
        assert claim.motion == thing.motion
    short = parse_caption(clip.caption)
    assert [(claim.shape, claim.color) for claim in short.things] == [(c.shape, c.color) for c in full.things]


def test_every_word_is_used() -> None:
    vocabulary = ShapesWorld().vocabulary()
    assert vocabulary == sorted(set(vocabulary))
    used = set()
    for split in SPLITS:
        for index in range(700):
            clip = ShapesWorld(split)[index]
            used.update(word for number in range(len(TEMPLATES)) for word in words(caption(clip.scene, number)))
    assert set(vocabulary) - used == {"bounce", "grow", "shrink"}  # of groups, which the world only lets rest or move


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("an orange star", Claims((ThingClaim("star", "orange"),))),
        ("A red circle and a blue square.", Claims((ThingClaim("circle", "red"), ThingClaim("square", "blue")))),
        ("two green crosses growing", Claims((ThingClaim("cross", "green", None, Motion("grow")),), 2)),
        (
            "a red circle below a small pink star, the star bouncing off the top wall",
            Claims(
                (ThingClaim("circle", "red"), ThingClaim("star", "pink", "small", Motion("bounce", "up"))), 1, "below"
            ),
        ),
    ],
)
def test_readable_texts(text: str, said: Claims) -> None:
    assert parse_caption(text) == said


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a cat",
        "a red circle moving",
        "a red circle moving right to the moon",
        "a red circle above a blue square, the star moving left",
        "a red circle above a blue circle, the circle moving left",
        "two red circles above a blue square",
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="not a caption of the shapes world"):
        parse_caption(text)
