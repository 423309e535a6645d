"""A benchmark in a package of its own: does a model draw still objects sharply, and do they keep still?

A benchmark is a prompt list, final scores computed from its metrics, and the file names that its own tools expect.
still_life.yaml is the suite that runs it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nova_bench.config.suite import PromptEntry
from nova_bench.protocols.base import Composite, FileNames, Part, PromptSource

SAMPLES = 2
OBJECTS = ("a pear", "a teapot", "a candle")
PLACES = ("on a table", "on a window sill")


def prompts(asset: Callable[[str], Path], notice: Callable[..., None]) -> list[PromptEntry]:
    """Every object in every place. A tag says which metrics use a prompt; here both use all of them.

    A list that is downloaded would be read from ``asset("its-name")``; its faults go to ``notice``.
    """
    del asset, notice  # it is never faulty
    return [
        PromptEntry(text=f"{thing} {place}", tags=("sharpness", "temporal_flickering"), samples=SAMPLES)
        for thing in OBJECTS
        for place in PLACES
    ]


def file_name(prompt: str, index: int, suffix: str) -> str:
    """a_pear_on_a_table.0.mp4"""
    return f"{prompt.replace(' ', '_')}.{index}{suffix}"


PROMPTS = PromptSource(
    name="still_life",
    summary=f"{len(OBJECTS) * len(PLACES)} prompts of still objects, {SAMPLES} samples each",
    factory=f"{__name__}:prompts",
)

TOTAL = Composite(
    name="still_life_total",
    summary="Stillness, and sharpness out of 1000 at half its weight",
    parts=(
        Part("temporal_flickering", low=0.5, high=1.0, weight=2.0),
        Part("sharpness", low=0.0, high=1000.0, weight=1.0),
    ),
    source="an example",
)

FILE_NAMES = FileNames(name="still_life", summary="a_pear_on_a_table.0.mp4", file_name=file_name)
