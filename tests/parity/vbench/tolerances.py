"""How far results may be from the official VBench code's, and how near they came when last measured.

`python -m tests.parity.vbench.tolerances` prints the table that README.md shows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Tolerance:
    """Largest allowed absolute difference (relative to the expected value where that is above 1 and ``relative``)."""

    oracle: str
    allowed: float
    reached: float
    relative: bool = False


_RAFT = "vbench 0.1.5, third_party/RAFT"
_AMT = "vbench 0.1.5, third_party/amt"
_DINO = "facebookresearch/dino 7c446df"
_CLIP = "openai-clip 1.0.1"
_MUSIQ = "pyiqa 0.1.10"
_VICLIP = "vbench 0.1.5, third_party/ViCLIP"
_UMT = "vbench 0.1.5, third_party/umt"
_TAG2TEXT = "vbench 0.1.5, third_party/tag2Text, transformers 4.33.2"
_GRIT = "VBench 45e79ec, third_party/grit_src"

TOLERANCES = {
    "RAFT features": Tolerance(_RAFT, 1e-4, 7.0e-5),
    "RAFT context": Tolerance(_RAFT, 2e-5, 6.4e-6),
    "RAFT correlation samples": Tolerance(_RAFT, 5e-4, 3.2e-4),
    "RAFT first update": Tolerance(_RAFT, 1e-5, 1.2e-6),
    "RAFT flow, pixels": Tolerance(_RAFT, 1e-3, 1.8e-5),
    "AMT-S frame, 0-1": Tolerance(_AMT, 5e-4, 1.2e-4),
    "AMT-S frame, mean over pixels": Tolerance(_AMT, 1e-5, 3.3e-6),
    "DINO input and positions": Tolerance(_DINO, 1e-5, 5.2e-6),
    "DINO features": Tolerance(_DINO, 2e-5, 3.9e-6),
    "CLIP input": Tolerance(_CLIP, 5e-6, 0.0),
    "CLIP tokens": Tolerance(_CLIP, 3e-5, 6.0e-6),
    "CLIP ViT-B/32 features": Tolerance(_CLIP, 3e-5, 5.4e-6),
    "CLIP ViT-L/14 features": Tolerance(_CLIP, 3e-5, 5.2e-6),
    "CLIP text features": Tolerance(_CLIP, 3e-5, 1.1e-5),
    "ViCLIP input": Tolerance(_VICLIP, 5e-6, 0.0),
    "ViCLIP tokens": Tolerance(_VICLIP, 5e-5, 3.5e-6),
    "ViCLIP video features": Tolerance(_VICLIP, 5e-5, 1.3e-5),
    "ViCLIP text features": Tolerance(_VICLIP, 5e-5, 1.2e-5),
    "UMT input and patches": Tolerance(_UMT, 5e-5, 4.3e-6),
    "UMT positions": Tolerance(_UMT, 1e-6, 0.0),
    "UMT blocks": Tolerance(_UMT, 5e-5, 1.5e-5),
    "UMT features": Tolerance(_UMT, 5e-5, 9.5e-7),
    "UMT logits": Tolerance(_UMT, 5e-5, 3.6e-6),
    "GRiT input": Tolerance(_GRIT, 2e-4, 0.0),
    "GRiT blocks": Tolerance(_GRIT, 2e-4, 5.6e-6),
    "GRiT ViT": Tolerance(_GRIT, 3e-4, 1.1e-4),
    "GRiT pyramid": Tolerance(_GRIT, 2e-4, 2.5e-5),
    "GRiT heat and sides": Tolerance(_GRIT, 2e-4, 7.6e-5),
    "GRiT boxes, pixels": Tolerance(_GRIT, 2e-2, 1.4e-2),
    "GRiT scores": Tolerance(_GRIT, 2e-4, 3.4e-5),
    "GRiT features of boxes": Tolerance(_GRIT, 2e-4, 2.0e-5),
    "GRiT judgements": Tolerance(_GRIT, 2e-4, 4.3e-5),
    "GRiT logits of words": Tolerance(_GRIT, 2e-4, 1.6e-5),
    "GRiT probability of texts": Tolerance(_GRIT, 5e-4, 2.0e-4),
    "GRiT probability of texts, from pixels": Tolerance(_GRIT, 5e-3, 1.1e-3),
    "GRiT scores with texts": Tolerance(_GRIT, 2e-4, 5.7e-5),
    "Tag2Text input": Tolerance(_TAG2TEXT, 2e-4, 0.0),
    "Swin stages": Tolerance(_TAG2TEXT, 2e-4, 5.5e-6),
    "Tag2Text image tokens": Tolerance(_TAG2TEXT, 2e-4, 3.5e-6),
    "Tag2Text tag logits": Tolerance(_TAG2TEXT, 2e-4, 6.0e-6),
    "Tag2Text states": Tolerance(_TAG2TEXT, 2e-4, 6.1e-6),
    "Tag2Text first word": Tolerance(_TAG2TEXT, 2e-4, 6.0e-5),
    # Of standard deviation 4. These weights magnify rounding: float64 differs from the official float32 by 0.08.
    "Tag2Text words": Tolerance(_TAG2TEXT, 2e-1, 6.4e-2),
    "aesthetic score": Tolerance("vbench 0.1.5", 1e-5, 4.8e-7),
    "MUSIQ patches": Tolerance(_MUSIQ, 1e-5, 0.0),
    "MUSIQ score": Tolerance(_MUSIQ, 1e-4, 1.5e-5),
    "subject_consistency": Tolerance("vbench 0.1.5", 1e-5, 1.8e-7),
    "background_consistency": Tolerance("vbench 0.1.5", 1e-5, 1.2e-7),
    "motion_smoothness": Tolerance("vbench 0.1.5", 1e-5, 3.4e-7),
    "motion_smoothness, frame differences in levels": Tolerance("vbench 0.1.5", 5e-3, 2.8e-4),
    "dynamic_degree": Tolerance("vbench 0.1.5", 0.0, 0.0),
    "dynamic_degree, pair scores": Tolerance("vbench 0.1.5", 1e-4, 6.5e-7, relative=True),
    "static_filter": Tolerance("vbench 0.1.5", 0.0, 0.0),
    "static_filter, pair scores": Tolerance("vbench 0.1.5", 1e-4, 1.1e-6, relative=True),
    "aesthetic_quality": Tolerance("vbench 0.1.5", 1e-5, 4.8e-7),
    "aesthetic_quality, frame scores": Tolerance("vbench 0.1.5", 1e-4, 1.1e-5),
    "imaging_quality": Tolerance("vbench 0.1.5", 1e-5, 6.1e-8),
    "imaging_quality, frame scores": Tolerance("vbench 0.1.5", 1e-4, 1.6e-5),
    "human_action": Tolerance("vbench 0.1.5", 0.0, 0.0),
    "human_action, probabilities": Tolerance("vbench 0.1.5", 1e-4, 0.0),
    "appearance_style": Tolerance("vbench 0.1.5", 1e-5, 1.1e-8),
    "appearance_style, frame scores": Tolerance("vbench 0.1.5", 1e-5, 2.0e-8),
    "scene": Tolerance("vbench 0.1.5", 1e-5, 0.0),
    "temporal_style": Tolerance("vbench 0.1.5", 1e-5, 4.4e-8),
    "overall_consistency": Tolerance("vbench 0.1.5", 1e-5, 5.6e-9),
}


def difference(name: str, actual: object, expected: object) -> float:
    """Largest difference, as the table counts it."""
    actual, expected = (torch.as_tensor(value, dtype=torch.float64) for value in (actual, expected))
    assert actual.shape == expected.shape, f"{name}: shape {tuple(actual.shape)}, expected {tuple(expected.shape)}"
    apart = (actual - expected).abs()
    if TOLERANCES[name].relative:
        apart = apart / expected.abs().clamp(min=1)
    return apart.max().item()


def assert_close(name: str, actual: Tensor | list[float] | float, expected: Tensor | list[float] | float) -> None:
    """Largest difference within the table's tolerance for this quantity. NaN never is."""
    worst, allowed = difference(name, actual, expected), TOLERANCES[name].allowed
    assert worst <= allowed, f"{name}: off by {worst:.2e}, allowed {allowed:.2e}"


def table() -> str:
    """The tolerances as a Markdown table."""
    lines = ["| quantity | official code | allowed | reached |", "|---|---|---|---|"]
    for name, entry in TOLERANCES.items():
        relative = " (relative above 1)" if entry.relative else ""
        lines.append(f"| {name} | {entry.oracle} | {entry.allowed:.0e}{relative} | {entry.reached:.1e} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
