"""The shapes world: captioned videos of moving shapes with known ground truth, and a judge that reads such videos."""

from nova_bench.shapes.captions import TEMPLATES, Claims, ThingClaim, caption, words
from nova_bench.shapes.parsing import parse_caption
from nova_bench.shapes.scene import Motion, Scene, Thing
from nova_bench.shapes.world import ShapesClip, ShapesWorld

__all__ = [
    "TEMPLATES",
    "Claims",
    "Motion",
    "Scene",
    "ShapesClip",
    "ShapesWorld",
    "Thing",
    "ThingClaim",
    "caption",
    "parse_caption",
    "words",
]
