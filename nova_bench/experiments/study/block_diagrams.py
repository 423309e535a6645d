"""Figures 1 and 2 of the appendix, drawn from a model's own configuration."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from nova_bench.render.diagram import Arrow, Box, Diagram, Point

if TYPE_CHECKING:
    from nova_bench.nova import NOVAConfig

_PLACEMENTS = {
    "pre": ("pre-norm", "x + f(LN(x))", ("norm", "layer", "sum")),
    "post_after_residual": ("post-norm after residual", "LN(x + f(x))", ("layer", "sum", "norm")),
    "post_before_residual": ("post-norm before residual", "x + LN(f(x))", ("layer", "norm", "sum")),
}
_RADIUS = 0.11


def appendix_diagrams(config: NOVAConfig) -> tuple[Diagram, Diagram]:
    """The scaling-and-shift layer (App. A, Figure 1) and the placements of normalization (App. B, Figure 2)."""
    return scale_shift_diagram(config), norm_placement_diagram(config)


def scale_shift_diagram(config: NOVAConfig) -> Diagram:
    """How the features of a later frame scale and shift those of the first one; without such a layer, what replaces
    it."""
    width, rank = config.width, config.video_mixer_rank
    shape = f"{config.num_video_tokens} × {width}"
    upper, lower = 2.25, 0.65
    middle = (upper + lower) / 2
    first = Box("first frame", (0.42, upper), (0.66, 0.36), "data")
    later = Box("frame t > 1", (0.42, lower), (0.66, 0.36), "data")
    text = f"{_encoder('temporal', config.temporal.depth, width)}\nfinal LayerNorm"
    temporal = Box(text, (1.5, middle), (1.0, 2.2))
    anchor = Box(f"{'anchor' if rank else 'features'}\n{shape}", (2.57, upper), (0.68, 0.4), "data")
    current = Box(f"{'current' if rank else 'features'}\n{shape}", (2.57, lower), (0.68, 0.4), "data")
    spatial = Box(_encoder("spatial", config.spatial.depth, width), (6.22, upper), (0.9, 0.85))
    boxes = [first, later, temporal, anchor, current, spatial]
    edge = temporal.right[0]
    arrows = [
        Arrow((first.right, (temporal.left[0], upper))),
        Arrow((later.right, (temporal.left[0], lower))),
        Arrow(((edge, upper), anchor.left)),
        Arrow(((edge, lower), current.left)),
    ]
    if not rank:
        arrows += [Arrow((anchor.right, spatial.left)), Arrow((current.right, (spatial.at[0], lower), spatial.bottom))]
        title, caption = (
            "No scaling-and-shift layer",
            "Each frame's own temporal features condition its spatial layers.",
        )
        return _page("scale_shift", title, caption, 2.9, boxes, arrows)
    times = Box("×", (4.9, upper), (2 * _RADIUS, 2 * _RADIUS), "operation")
    plus = Box("+", (5.4, upper), (2 * _RADIUS, 2 * _RADIUS), "operation")
    silu = Box("SiLU", (3.34, lower), (0.46, 0.44))
    last = Box(f"Linear\n{width if rank < 0 else rank} → {2 * width}", (5.15, lower), (0.85, 0.44))
    chain = [current, silu, last]
    if rank > 0:
        chain.insert(2, Box(f"Linear\n{width} → {rank}", (4.14, lower), (0.76, 0.44)))
    boxes += [times, plus, *chain[1:]]
    arrows += [Arrow((source.right, target.left)) for source, target in pairwise(chain)]
    arrows += [Arrow((a.right, b.left)) for a, b in ((anchor, times), (times, plus), (plus, spatial))]
    arrows.append(Arrow(((times.at[0], last.top[1]), times.bottom), "1 + γ", "left"))
    arrows.append(Arrow(((plus.at[0], last.top[1]), plus.bottom), "β", "right"))
    inner = "full rank" if rank < 0 else f"rank {rank}"
    caption = (
        f"Inner {inner}. For the first frame the layer is left out (scale 1, shift 0): the anchor itself is the "
        f"condition of its {config.num_image_tokens} image tokens."
    )
    return _page("scale_shift", "Scaling and shift layer", caption, 2.9, boxes, arrows)


def norm_placement_diagram(config: NOVAConfig) -> Diagram:
    """One transformer block in each of the three placements; the model's own has a thick frame."""
    boxes: list[Box] = []
    arrows: list[Arrow] = []
    for column, (placement, (name, formula, order)) in enumerate(_PLACEMENTS.items()):
        chosen = placement == config.norm_placement
        centre = 1.3 + 2.2 * column
        title = "\n".join([*(["this model:"] if chosen else []), name, formula])
        boxes.append(Box(title, (centre - 0.1, 2.2), (2.0, 3.5), "chosen" if chosen else "group"))
        _block(boxes, arrows, centre, order, config.width)
    depths = f"{config.temporal.depth} temporal and {config.spatial.depth} spatial blocks"
    heads = dict.fromkeys((config.temporal.heads, config.spatial.heads))
    caption = (
        f"{depths} of width {config.width}, {' and '.join(map(str, heads))} attention heads. "
        "All three have the same parameters."
    )
    return _page("norm_placement", "Placements of layer normalization in a block", caption, 4.8, boxes, arrows)


def _block(boxes: list[Box], arrows: list[Arrow], x: float, order: tuple[str, ...], width: int) -> None:
    """Attention and MLP, bottom to top, each with its norm and residual sum."""
    step, y = 0.53, 0.94
    below: Point = (x, 0.22)
    boxes.append(Box("x", (x, 0.13), (0.3, 0.16), "data"))
    for name in ("Attention", f"MLP\n{width} → {4 * width} → {width}"):
        entry = (x, y - step / 2 - 0.02)
        for part in order:
            if part == "sum":
                box = Box("+", (x, y), (2 * _RADIUS, 2 * _RADIUS), "operation")
                arrows.append(Arrow((entry, (x - 0.85, entry[1]), (x - 0.85, y), box.left)))
            elif part == "norm":
                box = Box("LayerNorm", (x, y), (1.3, 0.32), "norm")
            else:
                box = Box(name, (x, y), (1.3, 0.32), "layer")
            boxes.append(box)
            arrows.append(Arrow((below, box.bottom)))
            below = box.top
            y += step
    arrows.append(Arrow((below, (x, 4.18))))


def _encoder(name: str, depth: int, width: int) -> str:
    return f"{name}\nencoder\n{depth} blocks\nwidth {width}"


def _page(id: str, title: str, caption: str, height: float, boxes: list[Box], arrows: list[Arrow]) -> Diagram:
    return Diagram(
        id=id, title=title, caption=caption, width="page", height=height, boxes=tuple(boxes), arrows=tuple(arrows)
    )
