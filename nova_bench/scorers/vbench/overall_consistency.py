"""VBench's overall consistency: does the video show what its prompt says?"""

from __future__ import annotations

from nova_bench.scorers.vbench.video_text import describe

INFO = describe("overall_consistency", "VBench overall consistency: ViCLIP similarity with the prompt")
