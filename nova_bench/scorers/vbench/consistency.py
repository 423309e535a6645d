"""How similar a video's frames are to the first and the previous one: the formula of two dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_bench.scorers.base import Score

if TYPE_CHECKING:
    import torch


def consistency(features: torch.Tensor) -> Score:
    """Mean over frames i >= 1 of [max(0, cos(f_i, f_(i-1))) + max(0, cos(f_i, f_0))] / 2; features [T, C].

    The weight is the number of those frames: VBench sums over all frames of all videos. Arithmetic is in the type of
    ``features``, as in the official code. Details: both lists of cosines, before negative ones are set to 0.
    """
    from torch.nn import functional as F

    if len(features) < 2:
        return Score(None, reason="one frame: consistency needs at least two")
    unit = F.normalize(features, dim=-1)
    previous = F.cosine_similarity(unit[:-1], unit[1:]).tolist()
    first = F.cosine_similarity(unit[:1], unit[1:]).tolist()
    terms = [(max(0.0, a) + max(0.0, b)) / 2 for a, b in zip(previous, first, strict=True)]
    details = {"to_previous": previous, "to_first": first}
    return Score(sum(terms) / len(terms), weight=float(len(terms)), details=details)
