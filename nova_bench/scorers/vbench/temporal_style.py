"""VBench's temporal style: does the video move as its prompt says?"""

from __future__ import annotations

from nova_bench.scorers.vbench.video_text import describe

INFO = describe(
    "temporal_style", "VBench temporal style: ViCLIP similarity with a prompt that names a camera movement or a tempo"
)
