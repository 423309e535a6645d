"""Diffusion schedules of NOVA's token decoder: flow matching (Euler) and DDPM.

Gives the same numbers as the diffusers classes that checkpoints name, for every field of their configs.
``set_timesteps`` tabulates what the steps need, so the loop never waits for the device.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nova_bench.nova.building import building
from nova_bench.nova.checkpoint import read_json
from nova_bench.nova.errors import ArrangementError
from nova_bench.nova.schedulers.ddpm import DDPMSchedule
from nova_bench.nova.schedulers.flow import FlowMatchEulerSchedule
from nova_bench.nova.schedulers.schedule import CONFIG_NAME, Schedule

__all__ = ["DDPMSchedule", "FlowMatchEulerSchedule", "Schedule", "load_scheduler"]


def load_scheduler(source: str | Path | Mapping[str, Any], class_name: str | None = None) -> Schedule:
    """Read a schedule from a config, from ``scheduler_config.json`` or from the folder that holds it.

    Args:
        source: the settings, the file or the folder.
        class_name: the class (as in ``model_index.json``) if the config doesn't name one.

    Raises:
        CheckpointError: the file can't be read.
        ArrangementError: the class or one of its settings isn't supported.
    """
    config: Mapping[str, Any]
    if isinstance(source, Mapping):
        name, config = "scheduler config", source
    else:
        path = Path(source) / CONFIG_NAME if Path(source).is_dir() else Path(source)
        name, config = str(path), read_json(path)
    class_name = config.get("_class_name", class_name)
    classes = {cls.CLASS_NAME: cls for cls in (FlowMatchEulerSchedule, DDPMSchedule)}
    with building(name):
        if class_name not in classes:
            raise ArrangementError(f"{name}: scheduler {class_name!r} isn't supported, only {', '.join(classes)}")
        schedule = classes[class_name](config)
        schedule.set_timesteps(1)  # reports settings of the wrong type now
    return schedule
