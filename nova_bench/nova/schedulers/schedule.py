"""Common base of the diffusion schedules."""

from __future__ import annotations

import json
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch

from nova_bench.nova.errors import ArrangementError

CONFIG_NAME = "scheduler_config.json"
MOST_TIMESTEPS = 100_000
"""Most steps of a training chain, since each has an entry in a table; networks are trained with 1,000."""


class Schedule(ABC):
    """Base class of the two schedules.

    Attributes:
        config: the settings as in ``scheduler_config.json``, defaults filled in.
        timesteps: [n] on the device given to ``set_timesteps``, descending, in units of training steps (0..1000).
        timestep_values: the same as floats on the host.
    """

    CLASS_NAME: ClassVar[str]
    DEFAULTS: ClassVar[dict[str, Any]]

    def __init__(self, config: Mapping[str, Any] | None = None):
        given = {key: value for key, value in (config or {}).items() if not key.startswith("_")}
        unknown = sorted(given.keys() - self.DEFAULTS.keys())
        if unknown:
            warnings.warn(f"{self.CLASS_NAME} ignores config field {', '.join(unknown)}", stacklevel=3)
        self.config: dict[str, Any] = {"_class_name": self.CLASS_NAME, **self.DEFAULTS, **given}
        self.num_train_timesteps = int(self.config["num_train_timesteps"])
        if not 1 <= self.num_train_timesteps <= MOST_TIMESTEPS:
            raise ArrangementError(f"num_train_timesteps must be 1..{MOST_TIMESTEPS}, not {self.num_train_timesteps}")
        self.timesteps = torch.empty(0)
        self.timestep_values: list[float] = []
        self._steps: list[tuple[float, ...]] = []

    @abstractmethod
    def set_timesteps(self, n: int, device: str | torch.device | None = None, shift: float | None = None) -> None:
        """Tabulate a chain of ``n`` steps.

        Args:
            n: number of diffusion steps.
            device: where ``timesteps`` goes.
            shift: flow shift for this chain only; ``None`` means the current one. DDPM has none.
        """

    @abstractmethod
    def needs_noise(self, index: int) -> bool:
        """Whether step ``index`` adds noise, which the caller draws with the shape of the model output."""

    @abstractmethod
    def step(
        self, model_output: torch.Tensor, index: int, sample: torch.Tensor, noise: torch.Tensor | None = None
    ) -> torch.Tensor:
        """One step of the chain, from ``timesteps[index]`` to the next; ``noise`` is required if ``needs_noise``."""

    @abstractmethod
    def add_noise(self, x: torch.Tensor, noise: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """Noisy version of clean ``x``; ``index`` (from ``sample_training_index``) broadcasts over trailing dims."""

    @abstractmethod
    def target(self, x: torch.Tensor, noise: torch.Tensor, index: torch.Tensor | None = None) -> torch.Tensor:
        """What the model is trained to predict."""

    @abstractmethod
    def sample_training_index(
        self,
        shape: tuple[int, ...],
        device: str | torch.device | None = None,
        generator: torch.Generator | None = None,
    ) -> torch.Tensor:
        """Draw training steps, int64, as indices for ``add_noise`` and ``training_timesteps`` (NOVA training loss)."""

    @abstractmethod
    def training_timesteps(self, index: torch.Tensor) -> torch.Tensor:
        """Timesteps (float32, 0..1000) that the model receives for these training indices."""

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``scheduler_config.json``, which ``load_scheduler`` and diffusers read."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.config, indent=2, sort_keys=True)
        (Path(folder) / CONFIG_NAME).write_text(text + "\n", encoding="utf-8")

    def _tabulate(
        self, timesteps: torch.Tensor, steps: list[tuple[float, ...]], device: str | torch.device | None
    ) -> None:
        self.timesteps = timesteps.to(device)
        self.timestep_values = [float(value) for value in timesteps.tolist()]
        self._steps = steps

    def _coefficients(self, index: int) -> tuple[float, ...]:
        if not 0 <= index < len(self._steps):
            raise ArrangementError(f"step {index} of a chain of {len(self._steps)} steps; call set_timesteps first")
        return self._steps[index]


def gather(
    table: torch.Tensor, index: torch.Tensor, like: torch.Tensor, dtype: torch.dtype | None = None
) -> torch.Tensor:
    """Entries of a table, with trailing dimensions so that they broadcast against ``like``."""
    values = table.to(index.device)[index].to(device=like.device, dtype=dtype or like.dtype)
    return values.reshape(*index.shape, *[1] * (like.ndim - index.ndim))
