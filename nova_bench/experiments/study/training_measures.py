"""Single numbers and series from a training's record. Pure functions.

In this module, the end of a training is its last tenth.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nova_bench.train.record import TrainingRecord

if TYPE_CHECKING:
    import numpy as np

TEMPORAL, SPATIAL = "video_encoder", "image_encoder"
_BLOCK = re.compile(r"(\w+)\.blocks\.(\d+)")


@dataclass(frozen=True)
class Measure:
    """One number of a training. ``of`` returns None if the record lacks what it needs."""

    id: str
    title: str
    of: Callable[[TrainingRecord], float | None]
    unit: str = ""
    digits: int = 3
    lower_is_better: bool = False


def encoder_blocks(names: Iterable[str], encoder: str) -> list[str]:
    """Those of ``names`` that are an encoder's blocks, in order of depth."""
    found = [match for name in names if (match := _BLOCK.fullmatch(name)) and match[1] == encoder]
    return [match[0] for match in sorted(found, key=lambda match: int(match[2]))]


def blocks_by_depth(names: Iterable[str]) -> list[str]:
    """Those of ``names`` that are blocks of either encoder: the temporal ones, then the spatial ones."""
    known = list(names)
    return [name for encoder in (TEMPORAL, SPATIAL) for name in encoder_blocks(known, encoder)]


def final(values: tuple[float, ...]) -> float:
    """Mean over the last tenth."""
    tail = values[-max(1, len(values) // 10) :]
    return sum(tail) / len(tail)


def largest_outputs(record: TrainingRecord) -> np.ndarray:
    """Largest magnitude that any block of both encoders gave out, at each recorded step."""
    import numpy as np

    names = blocks_by_depth(record.blocks)
    return np.array([record.blocks[name].max for name in names]).max(axis=0)


def _final_loss(name: str) -> Callable[[TrainingRecord], float | None]:
    return lambda record: final(record.losses[name]) if name in record.losses else None


def _drift(record: TrainingRecord) -> float | None:
    first, later = (_final_loss(name)(record) for name in ("loss_t2i", "loss_i2i"))
    return None if first is None or later is None else later - first


def trained_frames(record: TrainingRecord) -> int:
    """Latent frames of the videos that were trained on; without a stated number none is beyond it."""
    base = record.transformer.get("video_base_size")
    return int(base[0]) if base else sys.maxsize


def _held_out(beyond: bool) -> Callable[[TrainingRecord], float | None]:
    """Mean held-out loss over the frames up to the training length, or over those beyond it."""

    def mean(record: TrainingRecord) -> float | None:
        import numpy as np

        if record.held_out is None:
            return None
        by_frame = np.mean(record.held_out.true_context, (0, 1))
        return _mean(by_frame[trained_frames(record) :] if beyond else by_frame[: trained_frames(record)])

    return mean


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def accumulated(record: TrainingRecord) -> np.ndarray | None:
    """Held-out loss on the model's own earlier frames minus that on the true ones, by latent frame; None without."""
    import numpy as np

    if record.held_out is None or not record.held_out.own_context:
        return None
    own, true = (np.array(losses) for losses in (record.held_out.own_context, record.held_out.true_context))
    return (own - true).mean((0, 1))


def _accumulated(beyond: bool) -> Callable[[TrainingRecord], float | None]:
    def mean(record: TrainingRecord) -> float | None:
        found = accumulated(record)
        if found is None:
            return None
        return _mean(found[trained_frames(record) :] if beyond else found[1 : trained_frames(record)])

    return mean


def _median_norm(record: TrainingRecord) -> float:
    from statistics import median

    return median(record.grad_norm)


def _largest(record: TrainingRecord) -> float | None:
    return float(largest_outputs(record).max()) if record.blocks else None


def _growth(encoder: str) -> Callable[[TrainingRecord], float | None]:
    def growth(record: TrainingRecord) -> float | None:
        names = encoder_blocks(record.blocks, encoder)
        return final(record.blocks[names[-1]].rms) / final(record.blocks[names[0]].rms) if names else None

    return growth


MEASURES = (
    Measure("loss_t2i", "loss, first frames", _final_loss("loss_t2i"), digits=4, lower_is_better=True),
    Measure("loss_i2i", "loss, later frames", _final_loss("loss_i2i"), digits=4, lower_is_better=True),
    Measure("drift", "later minus first frames", _drift, digits=4),
    Measure("held_out", "held-out loss", _held_out(beyond=False), digits=4, lower_is_better=True),
    Measure("held_out_beyond", "held-out loss beyond training", _held_out(beyond=True), digits=4, lower_is_better=True),
    Measure("accumulated", "accumulated error", _accumulated(beyond=False), digits=4, lower_is_better=True),
    Measure(
        "accumulated_beyond",
        "accumulated error beyond training",
        _accumulated(beyond=True),
        digits=4,
        lower_is_better=True,
    ),
    Measure("grad_norm", "gradient norm, median", _median_norm),
    Measure("largest", "largest block output", _largest, digits=1),
    Measure("growth_temporal", "growth over temporal blocks", _growth(TEMPORAL), unit="x", digits=2),
    Measure("growth_spatial", "growth over spatial blocks", _growth(SPATIAL), unit="x", digits=2),
)
NOTES = (
    "Losses: mean over the last tenth of the steps. First frames are text to image, later ones image to image; what "
    "separates the two is what App. A calls drift.",
    "Held-out loss: mean over unseen moving clips, mask ratios and latent frames, given the true earlier frames, with "
    "equal masks, noise and timesteps for all trainings; up to the training length, and beyond it where clips are "
    "longer. Without temporal autoregression it is given the unmasked "
    "tokens of all frames instead, so that loss isn't like for like.",
    "Accumulated error: how much higher that loss is, over the later frames, if the earlier ones are the model's own "
    "continuation of the first.",
    "Gradient norm: median over all steps, before clipping. Largest block output: largest magnitude over all recorded "
    "steps and all blocks of the temporal and the spatial encoder.",
    "Growth: root mean square of the last block's output over that of the first block's, means over the last tenth of "
    "the recorded steps. The last temporal block gives out tokens of frames only, "
    "those before it of the condition too.",
)
