"""Captioned videos with known ground truth, by index: no files, the same bytes every time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from random import Random
from typing import TYPE_CHECKING

from nova_bench.shapes.captions import DENSE_TEMPLATES, SHORT_TEMPLATES, caption, vocabulary
from nova_bench.shapes.sampling import SCENES, SPLITS, random_scene
from nova_bench.shapes.scene import CAPTION_FRAMES, Scene

if TYPE_CHECKING:
    import numpy as np

VERSION = 1
"""Changes whenever a scene, caption or pixel of any index changes: data trained on it belongs to this version."""


@dataclass(frozen=True)
class ShapesClip:
    """One captioned video. Frames are drawn when they are first requested.

    caption and dense_caption are the scene's captions for the templates ``template`` and ``dense_template``.
    """

    scene: Scene
    template: int
    dense_template: int
    num_frames: int
    size: int

    @property
    def caption(self) -> str:
        """A short caption, with shapes, colours, number, relation and motions."""
        return caption(self.scene, self.template)

    @property
    def dense_caption(self) -> str:
        """A caption that also states sizes, speeds and the background."""
        return caption(self.scene, self.dense_template)

    @cached_property
    def frames(self) -> np.ndarray:
        """uint8 RGB [T, H, W, 3]."""
        from nova_bench.shapes.rendering import render

        return render(self.scene, self.num_frames, self.size)

    @property
    def flow(self) -> float:
        """Mean length of the true optical flow in pixels, over pixels and pairs of frames (NOVA's motion condition)."""
        from nova_bench.shapes.geometry import mean_flow

        return mean_flow(self.scene, self.num_frames, self.size)


class ShapesWorld:
    """A sequence of :class:`ShapesClip`, in practice all different, made on demand.

    split: "train"; "val", other scenes from the same distribution; or "test", in which all objects are combinations of
        shape, colour and motion that never occur in the other two (:func:`nova_bench.shapes.sampling.is_held_out`).
    num_frames: any number; the first frames don't depend on it, so a longer video continues a shorter one. Captions
        describe the first 17. T = 1 + 4 j fits a causal VAE of stride 4.
    size: side in pixels; 64 unless there is a reason.
    scenes: "single", "pair" or "group" for scenes of one kind alone, None for all kinds.

    ``world[index]`` depends only on (split, seed, scenes, index). Raises ValueError for a bad argument, IndexError
    beyond ``length``.
    """

    def __init__(
        self,
        split: str = "train",
        seed: int = 0,
        num_frames: int = CAPTION_FRAMES,
        size: int = 64,
        length: int = 1_000_000,
        scenes: str | None = None,
    ):
        if split not in SPLITS:
            raise ValueError(f"split {split!r}: must be one of {', '.join(SPLITS)}")
        if scenes not in (None, *SCENES):
            raise ValueError(f"scenes {scenes!r}: must be one of {', '.join(SCENES)}")
        if num_frames < 1 or size < 32 or length < 0:
            raise ValueError("num_frames must be at least 1, size at least 32, length at least 0")
        self.split, self.seed, self.num_frames, self.size, self.length = split, seed, num_frames, size, length
        self.scenes = scenes

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> ShapesClip:
        if not -self.length <= index < self.length:
            raise IndexError(f"index {index} of {self.length} videos")
        drawn = _drawn(self.split, self.seed, index % self.length, self.scenes)
        return ShapesClip(*drawn, self.num_frames, self.size)

    def vocabulary(self) -> list[str]:
        """Every word that can occur in captions, sorted; :func:`nova_bench.shapes.words` splits a caption into them."""
        return list(vocabulary())


@lru_cache(maxsize=4096)  # arms of a study and parts of a collection look at the same clips
def _drawn(split: str, seed: int, index: int, scenes: str | None) -> tuple[Scene, int, int]:
    """Scene and templates of a clip: what is random in it."""
    random = Random(f"shapes {VERSION} {split} {seed} {index}")
    scene = random_scene(random, split, scenes)
    template = int(random.random() * len(SHORT_TEMPLATES))
    dense = len(SHORT_TEMPLATES) + int(random.random() * len(DENSE_TEMPLATES))
    return scene, template, dense
