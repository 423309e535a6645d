"""The scorers by name: built-in ones, and those that installed packages offer as `nova_bench.scorers`.

Needs neither torch nor OpenCV.
"""

from __future__ import annotations

from nova_bench.core.registry import Registry
from nova_bench.scorers import shapes
from nova_bench.scorers.base import ScorerInfo
from nova_bench.scorers.fidelity import lpips, psnr, ssim
from nova_bench.scorers.flow import dynamic_degree_dis
from nova_bench.scorers.vbench import (
    aesthetic_quality,
    background_consistency,
    dynamic_degree,
    imaging_quality,
    motion_smoothness,
    static_filter,
    subject_consistency,
    temporal_flickering,
)

SCORERS = Registry(
    what="scorer",
    group="nova_bench.scorers",
    kind=ScorerInfo,
    built_in={
        info.name: info
        for info in (
            subject_consistency.INFO,
            background_consistency.INFO,
            temporal_flickering.INFO,
            motion_smoothness.INFO,
            dynamic_degree.INFO,
            aesthetic_quality.INFO,
            imaging_quality.INFO,
            static_filter.INFO,
            dynamic_degree_dis.INFO,
            psnr.INFO,
            ssim.SSIM_INFO,
            ssim.MS_SSIM_INFO,
            lpips.LPIPS_INFO,
            lpips.ST_LPIPS_INFO,
            *shapes.INFOS,
        )
    },
)
