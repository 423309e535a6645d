"""Resamples decoded frames on their way to RGB, with exactly the values that decord gives for a wanted size.

One step of swscale does both. Resampling RGB frames afterwards gives other values, by up to 20 levels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nova_bench.video.orientation import Orientation

if TYPE_CHECKING:
    import numpy as np

_TURNS = {0: (), 90: ("transpose=cclock",), 180: ("hflip", "vflip"), 270: ("transpose=clock",)}


class Resampler:
    """Turns frames upright, then to RGB of one size (height, width), whatever their aspect ratio."""

    def __init__(self, size: tuple[int, int]):
        self._size = size
        self._made_for: object = None
        self._graph: Any = None

    def resample(self, frame: Any, orientation: Orientation) -> np.ndarray:
        """uint8 RGB [height, width, 3] of a decoded frame."""
        kind = (frame.format.name, frame.width, frame.height, frame.colorspace, frame.color_range, orientation)
        if kind != self._made_for:
            self._graph, self._made_for = self._filters(frame, orientation), kind
        self._graph.push(frame)
        return self._graph.pull().to_ndarray()

    def _filters(self, frame: Any, orientation: Orientation) -> Any:
        import av

        height, width = self._size
        graph = av.filter.Graph()
        graph.threads = 1
        last = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
        mirror = ("hflip",) if orientation.mirrored else ()
        scale = (f"scale={width}:{height}:flags=bilinear", "format=pix_fmts=rgb24", "buffersink")
        for step in (*_TURNS[orientation.rotation], *mirror, *scale):
            name, _, options = step.partition("=")
            following = graph.add(name, options)
            last.link_to(following)
            last = following
        graph.configure()
        return graph
