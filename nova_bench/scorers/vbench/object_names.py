"""The objects that GRiT names: the 80 classes of COCO (Lin et al., 2014, arXiv 1405.0312)."""

from __future__ import annotations

from collections.abc import Iterable

from nova_bench.core.messages import shorten
from nova_bench.core.registry import nearest

NAMES = frozenset(
    [
        *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light"),
        *("fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow"),
        *("elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee"),
        *("skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard"),
        *("tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple"),
        *("sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch"),
        *("potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard"),
        *("cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase"),
        *("scissors", "teddy bear", "hair drier", "toothbrush"),
    ]
)


def unknown_object(names: Iterable[str]) -> str | None:
    """Why nothing can be measured if GRiT never gives one of these names; None if it gives all of them."""
    for name in names:
        if name not in NAMES:
            return f"{shorten(name)} is not one of the 80 objects that GRiT names{nearest(name, sorted(NAMES))}"
    return None
