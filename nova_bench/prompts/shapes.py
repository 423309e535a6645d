"""Prompts from the shapes world, with first frames and reference clips in the size that a suite asks for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from nova_bench.config.metadata import ITEM, Metadata
from nova_bench.config.suite import PromptEntry, SamplingSpec, ShapesPromptsSpec
from nova_bench.core.errors import UserError
from nova_bench.core.notices import unheard
from nova_bench.core.progress import Progress
from nova_bench.prompts.recipes import made_file
from nova_bench.shapes.export import different_clips, tags
from nova_bench.shapes.questions import questions
from nova_bench.shapes.scene import CAPTION_FRAMES, FPS, SIDE
from nova_bench.shapes.world import VERSION, ShapesClip
from nova_bench.video import write_image, write_lossless

if TYPE_CHECKING:
    import numpy as np

_LEAST_SIDE = 32
"""Side of the smallest clips that are drawn."""


class ShapesPrompts:
    """The prompts that a suite's ``prompts.shapes`` stands for."""

    def __init__(self, spec: ShapesPromptsSpec, sampling: SamplingSpec, notice: Callable[..., None] = unheard):
        self._spec, self._notice = spec, notice
        self._frames = spec.num_frames or sampling.num_frames or CAPTION_FRAMES
        self._size = (sampling.height or int(SIDE), sampling.width or int(SIDE))

    def entries(self) -> list[PromptEntry]:
        """One prompt per clip. UserError if the split has fewer distinct captions."""
        side, smaller = max(_LEAST_SIDE, min(self._size)), min(self._size) < _LEAST_SIDE
        if self._spec.images and smaller:
            width, height = self._size[::-1]
            self._notice(f"prompts.shapes: clips of {side}x{side} are cut on all sides to {width}x{height}", asked=True)
        return [entry for entry, _ in self._listed(self._notice)]

    def _listed(self, notice: Callable[..., None] = unheard) -> Iterator[tuple[PromptEntry, ShapesClip]]:
        spec = self._spec
        side = max(_LEAST_SIDE, min(self._size))
        kind = (spec.moving, spec.scenes)
        chosen = different_clips(
            spec.split, spec.count, spec.seed, spec.captions, self._frames, side, *kind, notice=notice
        )
        for index, clip in chosen:
            text = clip.caption if spec.captions == "short" else clip.dense_caption
            recipe = ["shapes", VERSION, spec.split, spec.seed, index, *self._size]
            recipe += [spec.scenes] if spec.scenes else []
            image, reference = None, None
            if spec.images:
                image, reference = made_file(recipe, ".png"), made_file([*recipe, self._frames], ".mkv")
            entry = PromptEntry(
                text=text, tags=tags(text), image=image, reference=reference, metadata=_questions(index, text)
            )
            yield entry.placed("prompts.shapes"), clip

    def make(self, wanted: Collection[str], progress: Progress) -> None:
        """Draw and write those files that are in ``wanted``."""
        left = set(wanted)
        with progress.stage("prompts", len(left)) as advance:
            for entry, clip in self._listed():
                mine = left & {entry.image, entry.reference}
                if mine:
                    frames = filled(clip.frames, self._size)
                    if entry.image in mine:
                        write_image(entry.image, frames[0])
                    if entry.reference in mine:
                        write_lossless(entry.reference, frames, FPS)
                    left -= mine
                    advance(len(mine))
                if not left:
                    break


@lru_cache(maxsize=4096)  # arms of a study ask the same
def _questions(index: int, text: str) -> Metadata:
    """What DPG-Bench's scorers read: the questions about a caption. None are asked about two objects of one shape."""
    try:
        rows = questions(str(index), text)
    except UserError:
        rows = []
    asked = [
        {
            "number": int(row["proposition_id"]),
            "text": row["question_natural_language"],
            "proposition": row["tuple"],
            "parents": [int(parent) for parent in row["dependency"].split(", ")],
        }
        for row in rows
    ]
    return Metadata.of({ITEM: str(index), "dpg_questions": asked})


def filled(frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Place square frames [T, S, S, 3] in the middle of ``size`` (height, width); their edges fill the rest.

    No object of the shapes world reaches the edge, so only background is continued. If ``size`` is smaller than the
    frames, they are cut on both sides.
    """
    import numpy as np

    pads = [(0, 0)]
    for axis, wanted in enumerate(size, start=1):
        room = wanted - frames.shape[axis]
        if room < 0:
            start = -room // 2
            frames = frames.take(range(start, start + wanted), axis=axis)
        pads.append((max(room, 0) // 2, max(room, 0) - max(room, 0) // 2))
    return np.pad(frames, [*pads, (0, 0)], mode="edge")
