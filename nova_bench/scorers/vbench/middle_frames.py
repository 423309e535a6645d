"""Which frames of a video the semantic dimensions look at."""

from __future__ import annotations

from itertools import pairwise


def middle_frames(count: int, wanted: int) -> list[int]:
    """The middle frame of each of ``wanted`` equal parts of ``count`` frames; if there are fewer, all and the last.

    As `get_frame_indices(..., sample="middle")` of VBench's utils.py: the last one is repeated until there are enough.
    """
    import numpy as np

    bounds = np.linspace(0, count, min(count, wanted) + 1).astype(int).tolist()
    chosen = [(start + end - 1) // 2 for start, end in pairwise(bounds)]
    return chosen + chosen[-1:] * (wanted - len(chosen))
