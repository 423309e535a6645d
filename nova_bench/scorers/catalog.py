"""The scorers by name: built-in ones, and those that installed packages offer as `nova_bench.scorers`.

Needs neither torch nor OpenCV.
"""

from __future__ import annotations

from nova_bench.names import Registry
from nova_bench.scorers import shapes
from nova_bench.scorers.base import ScorerInfo
from nova_bench.scorers.fidelity import psnr, ssim
from nova_bench.scorers.flow import dynamic_degree_dis
from nova_bench.scorers.vbench import temporal_flickering

SCORERS = Registry(
    what="scorer",
    group="nova_bench.scorers",
    kind=ScorerInfo,
    built_in={
        info.name: info
        for info in (
            temporal_flickering.INFO,
            dynamic_degree_dis.INFO,
            psnr.INFO,
            ssim.SSIM_INFO,
            ssim.MS_SSIM_INFO,
            *shapes.INFOS,
        )
    },
)
