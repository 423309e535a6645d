"""Prompts with their images and the tree of questions about them, as compact JSON; the page builds what is opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nova_bench.core.visible_text import visible
from nova_bench.render.html.media import MediaShelf


@dataclass(frozen=True)
class GivenAnswer:
    """The judge's words about one image; ``zeroed`` maps a rule to the question by which they count as no."""

    text: str
    probability: float | None = None
    zeroed: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class TreeQuestion:
    """A question with its answers, one per image; None for an image without answers."""

    number: int
    parents: tuple[int, ...]
    category: str
    text: str
    answers: tuple[GivenAnswer | None, ...]


@dataclass(frozen=True)
class TreeImage:
    """One image: its poster, which links to the file. ``notes`` stand below it, such as its seed and its score."""

    notes: tuple[str, ...] = ()
    media: Path | None = None
    poster: bytes | None = None


@dataclass(frozen=True)
class QuestionTree:
    """A prompt. ``name`` is what its benchmark calls it; ``notes`` are short facts, such as its scores."""

    prompt: str
    name: str
    judge: str
    notes: tuple[str, ...]
    images: tuple[TreeImage, ...]
    questions: tuple[TreeQuestion, ...]


def tree_data(trees: Sequence[QuestionTree], shelf: MediaShelf) -> list[dict[str, Any]]:
    """The trees for the page; all text is shown as text."""
    return [
        {
            "prompt": visible(tree.prompt),
            "name": visible(tree.name),
            "judge": visible(tree.judge),
            "notes": [visible(note) for note in tree.notes],
            "images": [_image(image, shelf) for image in tree.images],
            "questions": [
                [
                    depth,
                    question.number,
                    [parent for parent in question.parents if parent],
                    visible(question.category),
                    visible(question.text),
                    [_answer(answer) for answer in question.answers],
                ]
                for depth, question in arranged(tree.questions)
            ],
        }
        for tree in trees
    ]


def arranged(questions: Sequence[TreeQuestion]) -> Iterator[tuple[int, TreeQuestion]]:
    """Each question once, below the first of its parents that is there, with its depth.

    Questions that depend on one another in a circle are roots.
    """
    below: dict[int, list[int]] = {}
    places = {question.number: place for place, question in enumerate(questions)}
    roots = []
    for place, question in enumerate(questions):
        parent = next((places[number] for number in question.parents if number in places), None)
        if parent is None or parent == place:
            roots.append(place)
        else:
            below.setdefault(parent, []).append(place)
    seen: set[int] = set()
    for root in (*roots, *range(len(questions))):
        waiting = [(0, root)]
        while waiting:
            depth, place = waiting.pop()
            if place in seen:
                continue
            seen.add(place)
            yield depth, questions[place]
            waiting += [(depth + 1, child) for child in reversed(below.get(place, ()))]


def _image(image: TreeImage, shelf: MediaShelf) -> dict[str, Any]:
    entry = {
        "notes": [visible(note) for note in image.notes],
        "poster": None if image.poster is None else shelf.poster(image.poster),
        "media": shelf.link(image.media) if image.media else None,
    }
    return {key: value for key, value in entry.items() if value not in (None, [])}


def _answer(answer: GivenAnswer | None) -> list[Any] | None:
    if answer is None:
        return None
    chance = None if answer.probability is None else float(f"{answer.probability:.3g}")
    return [visible(answer.text), chance, {visible(rule): by for rule, by in answer.zeroed.items()}]
