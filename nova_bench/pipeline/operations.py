"""Time for scoring on a GPU, estimated from counted operations, before anything was measured on one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

_SHORTEST, _RESAMPLED = 768, 720  # GRiT sees frames with a longer shorter side with this one
_PER_SECOND = 8  # RAFT sees about so many frames a second


@cache
def _table() -> dict[str, Any]:
    return json.loads(Path(__file__).with_name("operations.json").read_text())


def counted(scorer: str) -> bool:
    """Whether the operations of a scorer are known."""
    return scorer in _table()["scorers"]


def peak_tflops(text: str) -> float | None:
    """TFLOP/s with TF32 of the GPU that a text names, from its data sheet; None for another one."""
    models = {device["name"].split()[1]: device["tf32"] for device in _table()["devices"]}
    return next((peak for model, peak in models.items() if model in text), None)


def gflop(scorer: str, frames: int, height: int, width: int, fps: float) -> float:
    """Billions of operations for one video of this size; a multiplication and its addition are two."""
    row = _table()["scorers"][scorer]
    if (shorter := min(height, width)) > _SHORTEST and row["looks_at"] == "video":
        height, width = height * _RESAMPLED // shorter, width * _RESAMPLED // shorter
    looked_at = {
        "all": frames,
        "middles": (frames - 1) // 2,
        "flow": -(-frames // max(1, round(fps / _PER_SECOND))) - 1,
        "video": 1,
    }[row["looks_at"]]
    return looked_at * max(0.0, row["gflop"] + row["gflop_per_megapixel"] * height * width / 1e6)


def estimate(work: Iterable[tuple[str, int]], frames: int, height: int, width: int, fps: float) -> str | None:
    """One line about scorers and the videos that each has left; None if nothing is left that was counted."""
    left = [(name, videos) for name, videos in work if videos and counted(name)]
    total = sum(videos * gflop(name, frames, height, width, fps) for name, videos in left)
    if not total:
        return None
    table = _table()
    share = table["share_of_peak"]
    minutes = "; ".join(
        f"{device['name']} {total / (device['float32'] * share * 1e3) / 60:.3g} min "
        f"({total / (device['tf32'] * share * 1e3) / 60:.2g} min with TF32)"
        for device in table["devices"]
    )
    return (
        f"scoring on a GPU, not measured: {total / 1e6:.3g} PFLOP in {len(left)} scorers; "
        f"at {share:.0%} of its peak: {minutes}"
    )
