"""The list of everything that has a name: built in here, or provided by installed packages as entry points.

A name maps to its description as ``"module:attribute"``, which is imported only when needed. This list therefore causes
no import, and a new scorer, model, benchmark or kind of suite is one line here. Each registry's second argument is the
group of entry points that extends it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_bench.core.registry import Registry

if TYPE_CHECKING:
    from nova_bench.experiments.base import Experiment
    from nova_bench.judges.base import JudgeInfo
    from nova_bench.models.base import AdapterInfo
    from nova_bench.protocols.base import Composite, FileNames, PromptSource
    from nova_bench.scorers.base import ScorerInfo

_JUDGES = "nova_bench.judges"
_SCORERS = "nova_bench.scorers"
_VBENCH = "nova_bench.protocols.vbench"
_EXPERIMENTS = "nova_bench.experiments"

ADAPTERS: Registry[AdapterInfo] = Registry(
    "model adapter",
    "nova_bench.models",
    "nova_bench.models.base:AdapterInfo",
    {
        "diffusers": "nova_bench.models.diffusers:INFO",
        "emu3": "nova_bench.models.emu3:INFO",
        "files": "nova_bench.models.files:INFO",
        "item_images": "nova_bench.models.item_images:INFO",
        "nova": "nova_bench.models.nova:INFO",
        "nova_reconstruction": "nova_bench.models.baselines:RECONSTRUCTION",
        "repeat_first_frame": "nova_bench.models.baselines:REPEAT_FIRST_FRAME",
    },
)

SCORERS: Registry[ScorerInfo] = Registry(
    "scorer",
    "nova_bench.scorers",
    "nova_bench.scorers.base:ScorerInfo",
    {
        "subject_consistency": f"{_SCORERS}.vbench.subject_consistency:INFO",
        "background_consistency": f"{_SCORERS}.vbench.background_consistency:INFO",
        "temporal_flickering": f"{_SCORERS}.vbench.temporal_flickering:INFO",
        "motion_smoothness": f"{_SCORERS}.vbench.motion_smoothness:INFO",
        "dynamic_degree": f"{_SCORERS}.vbench.dynamic_degree:INFO",
        "dynamic_degree_corrected": f"{_SCORERS}.vbench.dynamic_degree:CORRECTED",
        "aesthetic_quality": f"{_SCORERS}.vbench.aesthetic_quality:INFO",
        "imaging_quality": f"{_SCORERS}.vbench.imaging_quality:INFO",
        "human_action": f"{_SCORERS}.vbench.human_action:INFO",
        "appearance_style": f"{_SCORERS}.vbench.appearance_style:INFO",
        "temporal_style": f"{_SCORERS}.vbench.temporal_style:INFO",
        "overall_consistency": f"{_SCORERS}.vbench.overall_consistency:INFO",
        "scene": f"{_SCORERS}.vbench.scene:INFO",
        "scene_corrected": f"{_SCORERS}.vbench.scene:CORRECTED",
        "object_class": f"{_SCORERS}.vbench.object_class:INFO",
        "multiple_objects": f"{_SCORERS}.vbench.multiple_objects:INFO",
        "color": f"{_SCORERS}.vbench.color:INFO",
        "color_corrected": f"{_SCORERS}.vbench.color:CORRECTED",
        "spatial_relationship": f"{_SCORERS}.vbench.spatial_relationship:INFO",
        "spatial_relationship_corrected": f"{_SCORERS}.vbench.spatial_relationship:CORRECTED",
        "static_filter": f"{_SCORERS}.vbench.static_filter:INFO",
        "static_filter_corrected": f"{_SCORERS}.vbench.static_filter:CORRECTED",
        "dpg_bench": f"{_SCORERS}.dpg.answers:OFFICIAL",
        "dpg_bench/global": f"{_SCORERS}.dpg.answers:OFFICIAL_GLOBAL",
        "dpg_bench/entity": f"{_SCORERS}.dpg.answers:OFFICIAL_ENTITY",
        "dpg_bench/attribute": f"{_SCORERS}.dpg.answers:OFFICIAL_ATTRIBUTE",
        "dpg_bench/relation": f"{_SCORERS}.dpg.answers:OFFICIAL_RELATION",
        "dpg_bench/other": f"{_SCORERS}.dpg.answers:OFFICIAL_OTHER",
        "dpg_bench_corrected": f"{_SCORERS}.dpg.answers:CORRECTED",
        "dpg_bench_corrected/global": f"{_SCORERS}.dpg.answers:CORRECTED_GLOBAL",
        "dpg_bench_corrected/entity": f"{_SCORERS}.dpg.answers:CORRECTED_ENTITY",
        "dpg_bench_corrected/attribute": f"{_SCORERS}.dpg.answers:CORRECTED_ATTRIBUTE",
        "dpg_bench_corrected/relation": f"{_SCORERS}.dpg.answers:CORRECTED_RELATION",
        "dpg_bench_corrected/other": f"{_SCORERS}.dpg.answers:CORRECTED_OTHER",
        "dynamic_degree_dis": f"{_SCORERS}.flow.dynamic_degree_dis:INFO",
        "psnr": f"{_SCORERS}.fidelity.psnr:INFO",
        "ssim": f"{_SCORERS}.fidelity.ssim:SSIM_INFO",
        "ms_ssim": f"{_SCORERS}.fidelity.ssim:MS_SSIM_INFO",
        "lpips": f"{_SCORERS}.fidelity.lpips:LPIPS_INFO",
        "st_lpips": f"{_SCORERS}.fidelity.lpips:ST_LPIPS_INFO",
        "shapes/object_class": f"{_SCORERS}.shapes.objects:OBJECT_CLASS",
        "shapes/multiple_objects": f"{_SCORERS}.shapes.objects:MULTIPLE_OBJECTS",
        "shapes/color": f"{_SCORERS}.shapes.objects:COLOR",
        "shapes/count": f"{_SCORERS}.shapes.objects:COUNT",
        "shapes/spatial_relationship": f"{_SCORERS}.shapes.layout:SPATIAL_RELATIONSHIP",
        "shapes/motion": f"{_SCORERS}.shapes.motion:MOTION",
        "shapes/all": f"{_SCORERS}.shapes.everything:ALL",
    },
)

JUDGES: Registry[JudgeInfo] = Registry(
    "judge",
    "nova_bench.judges",
    "nova_bench.judges.base:JudgeInfo",
    {
        "mplug": f"{_JUDGES}.mplug:INFO",
        "shapes": f"{_JUDGES}.shapes:INFO",
        "vlm": f"{_JUDGES}.vlm:INFO",
        "vqa": f"{_JUDGES}.vqa:INFO",
    },
)

PROMPT_SOURCES: Registry[PromptSource] = Registry(
    "prompt source",
    "nova_bench.prompt_sources",
    "nova_bench.protocols.base:PromptSource",
    {"vbench": f"{_VBENCH}.prompts:SOURCE", "dpg": "nova_bench.protocols.dpg.prompts:SOURCE"},
)

COMPOSITES: Registry[Composite] = Registry(
    "composite score",
    "nova_bench.composites",
    "nova_bench.protocols.base:Composite",
    {
        "vbench_quality": f"{_VBENCH}.composite:QUALITY",
        "vbench_semantic": f"{_VBENCH}.composite:SEMANTIC",
        "vbench_total": f"{_VBENCH}.composite:TOTAL",
        "mlperf_vbench_score": f"{_VBENCH}.mlperf:SCORE",
    },
)

FILE_NAMES: Registry[FileNames] = Registry(
    "layout",
    "nova_bench.file_names",
    "nova_bench.protocols.base:FileNames",
    {
        "vbench": f"{_VBENCH}.file_names:FILE_NAMES",
        "dpg": "nova_bench.protocols.dpg.file_names:FILE_NAMES",
    },
)

EXPERIMENTS: Registry[Experiment] = Registry(
    "kind of suite",
    "nova_bench.experiments",
    "nova_bench.experiments.base:Experiment",
    {
        "benchmark": f"{_EXPERIMENTS}.benchmark:EXPERIMENT",
        "study": f"{_EXPERIMENTS}.study:EXPERIMENT",
        "collection": f"{_EXPERIMENTS}.collection:EXPERIMENT",
        "latency": f"{_EXPERIMENTS}.latency:EXPERIMENT",
    },
)
