"""Results files as the official evaluator writes them: the keys of vbench/DIMENSION.py at 45e79ec, random scores."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

Record = dict[str, Any]


def official_results(seed: int = 0, prompts: int = 8, several_gpus: bool = False) -> dict[str, list]:
    """All sixteen dimensions of ``prompts`` prompts each, two samples of a prompt."""
    chance = random.Random(seed)

    def plain() -> Record:
        return {"video_results": chance.uniform(0.5, 1)}

    def background() -> Record:
        count = chance.randint(3, 9)
        total = sum(chance.uniform(0.8, 1) for _ in range(count))
        return {"video_results": total / count, "video_sim": total, "cnt_per_video": count}

    def counted() -> Record:
        hits = chance.randint(0, 16)
        return {"video_results": hits / 16, "success_frame_count": hits, "frame_count": 16}

    def action() -> Record:
        seen = chance.random() < 0.9
        return {"video_results": seen, "cor_num_per_video": int(seen)}

    def color() -> Record | None:
        share = chance.random()
        return {"video_results": share, "cur_success_frame_rate": share} if chance.random() < 0.8 else None

    def relationship() -> Record:
        frames = [chance.choice([0, 1, 0.3]) for _ in range(16)]
        return {"video_results": sum(frames) / 16, "frame_results": frames}

    def style() -> Record:
        frames = [chance.uniform(0.1, 0.3) for _ in range(chance.randint(2, 6))]
        return {"video_results": sum(frames) / len(frames), "frame_results": frames, "cur_sim": frames[-1]}

    makers: dict[str, Callable[[], Record | None]] = {
        "subject_consistency": plain,
        "background_consistency": background,
        "temporal_flickering": plain,
        "motion_smoothness": plain,
        "dynamic_degree": lambda: {"video_results": chance.random() < 0.6},
        "aesthetic_quality": plain,
        "imaging_quality": lambda: {"video_results": chance.uniform(30, 80)},
        "object_class": counted,
        "multiple_objects": counted,
        "human_action": action,
        "color": color,
        "spatial_relationship": relationship,
        "scene": counted,
        "appearance_style": style,
        "temporal_style": plain,
        "overall_consistency": plain,
    }
    document = {}
    for dimension, make in makers.items():
        records = [
            {"video_path": f"/data/videos/a {dimension} {prompt}-{index}.mp4", **made}
            for prompt in range(prompts)
            for index in range(2)
            if (made := make()) is not None
        ]
        document[dimension] = [_aggregate(dimension, records, several_gpus), records]
    return document


def _aggregate(dimension: str, records: list[Record], several_gpus: bool) -> float:
    """As the official code computes it, in one process or on several GPUs."""
    match dimension:
        case "background_consistency":
            return sum(r["video_sim"] for r in records) / sum(r["cnt_per_video"] for r in records)
        case "object_class" | "multiple_objects" | "scene":
            return sum(r["success_frame_count"] for r in records) / sum(r["frame_count"] for r in records)
        case "appearance_style" if several_gpus:
            return sum(r["cur_sim"] for r in records) / len(records)
        case "appearance_style" | "spatial_relationship":
            frames = [frame for r in records for frame in r["frame_results"]]
            return sum(frames) / len(frames)
        case "imaging_quality":
            return sum(r["video_results"] for r in records) / len(records) / 100
    return sum(r["video_results"] for r in records) / len(records)
