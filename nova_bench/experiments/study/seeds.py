"""One entry of a study for several trainings: an arm with `seeds` stands for an arm per seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from nova_bench.experiments.study.spec import Arm

PLACE = "{seed}"


def each_seed(arms: Sequence[Arm]) -> Iterator[tuple[int, Arm]]:
    """(position of its entry, arm), with every ``{seed}`` in the entry's values filled in."""
    for index, arm in enumerate(arms):
        if not arm.seeds:
            yield index, arm
        for seed in arm.seeds:
            filled = _filled(arm.model_dump(include={"model", "set", "training", "stability"}), seed)
            own = {"label": f"{arm.label}, seed {seed}", "group": arm.group or arm.label, "seed": seed, "seeds": ()}
            yield index, arm.model_copy(update={**filled, **own})


def _filled(value: Any, seed: int) -> Any:
    if isinstance(value, str):
        return value.replace(PLACE, str(seed))
    if isinstance(value, dict):
        return {key: _filled(part, seed) for key, part in value.items()}
    return [_filled(part, seed) for part in value] if isinstance(value, list) else value
