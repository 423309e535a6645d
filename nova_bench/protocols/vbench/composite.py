"""VBench's quality score, semantic score and total, with the official normalization and weights.

Min and Max of each dimension and the weights are those of the official repository's leaderboard code
(scripts/constant.py); nothing is clipped.
"""

from __future__ import annotations

from nova_bench.protocols.base import Composite, Part

_SOURCE = "VBench 1.0 (arXiv 2311.17982), scripts/constant.py and scripts/cal_final_score.py"

QUALITY = Composite(
    name="vbench_quality",
    summary="VBench quality score: weighted mean of the seven normalized quality dimensions",
    parts=(
        Part("subject_consistency", 0.1462, 1.0),
        Part("background_consistency", 0.2615, 1.0),
        Part("temporal_flickering", 0.6293, 1.0),
        Part("motion_smoothness", 0.706, 0.9975),
        Part("aesthetic_quality"),
        Part("imaging_quality"),
        Part("dynamic_degree", weight=0.5),
    ),
    source=_SOURCE,
)
SEMANTIC = Composite(
    name="vbench_semantic",
    summary="VBench semantic score: mean of the nine normalized semantic dimensions",
    parts=(
        Part("object_class"),
        Part("multiple_objects"),
        Part("human_action"),
        Part("color"),
        Part("spatial_relationship"),
        Part("scene", 0.0, 0.8222),
        Part("appearance_style", 0.0009, 0.2855),
        Part("temporal_style", 0.0, 0.364),
        Part("overall_consistency", 0.0, 0.364),
    ),
    source=_SOURCE,
)
TOTAL = Composite(
    name="vbench_total",
    summary="VBench total score: (4 quality + semantic) / 5",
    parts=(Part(QUALITY.name, weight=4.0), Part(SEMANTIC.name)),
    source=_SOURCE,
    longest=5.0,
    longer="VBench's leaderboard scores such clips with VBench-Long, so these numbers are not comparable with it",
)
