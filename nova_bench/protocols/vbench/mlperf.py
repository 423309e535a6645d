"""MLPerf Inference's accuracy metric for text-to-video: ``vbench_score``, from six of VBench's dimensions.

run_evaluation.py averages the raw aggregates of VBench's evaluator on 8 GPUs, without normalization or weights; the
submission checker compares a hundred times that mean with 99 % of the reference implementation's score in BF16.
"""

from __future__ import annotations

from nova_bench.protocols.base import Composite, Part, Threshold

_SOURCE = "mlcommons/inference, text_to_video/wan-2.2-t2v-a14b: README.md and run_evaluation.py"
REFERENCE = 70.48
"""Wan2.2 T2V A14B in BF16."""

SCORE = Composite(
    name="mlperf_vbench_score",
    summary="MLPerf Inference's vbench_score: mean of six VBench dimensions x 100, for videos of MLPerf's 248 prompts",
    parts=(
        Part("subject_consistency"),
        Part("background_consistency"),
        Part("motion_smoothness"),
        Part("dynamic_degree"),
        Part("scene"),
        Part("appearance_style"),
    ),
    source=_SOURCE,
    range=(0.0, 100.0),
    digits=2,
    scale=100.0,
    threshold=Threshold(0.99 * REFERENCE, REFERENCE, "MLPerf Inference", _SOURCE),
)
