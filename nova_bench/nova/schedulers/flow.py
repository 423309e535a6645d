"""Flow matching with Euler steps, as ``FlowMatchEulerDiscreteScheduler`` of diffusers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch

from nova_bench.nova.errors import ArrangementError
from nova_bench.nova.schedulers.schedule import Schedule, gather

_Sigmas = TypeVar("_Sigmas", np.ndarray, torch.Tensor)


def _shift_sigmas(sigmas: _Sigmas, shift: float) -> _Sigmas:
    return shift * sigmas / (1 + (shift - 1) * sigmas)


def _karras(first: float, last: float, n: int, rho: float = 7.0) -> np.ndarray:
    """Karras et al. 2022, eq. 5."""
    return (first ** (1 / rho) + np.linspace(0, 1, n) * (last ** (1 / rho) - first ** (1 / rho))) ** rho


def _exponential(first: float, last: float, n: int) -> np.ndarray:
    return np.exp(np.linspace(math.log(first), math.log(last), n))


def _beta_quantiles(first: float, last: float, n: int, concentration: float = 0.6) -> np.ndarray:
    """Quantiles of a symmetric beta distribution (Lee et al. 2024, "Beta Sampling is All You Need")."""
    from scipy.stats import beta

    return last + beta.ppf(1 - np.linspace(0, 1, n), concentration, concentration) * (first - last)


_SIGMA_SPACINGS: dict[str, Callable[[float, float, int], np.ndarray]] = {
    "karras": _karras,
    "exponential": _exponential,
    "beta": _beta_quantiles,
}


class FlowMatchEulerSchedule(Schedule):
    """Euler steps along the straight path x_sigma = sigma * noise + (1 - sigma) * data (Lipman et al. 2023).

    The model predicts noise - data. ``config["shift"]`` acts twice, as in diffusers: on the range of sigmas and again
    on each chain.
    """

    CLASS_NAME = "FlowMatchEulerDiscreteScheduler"
    DEFAULTS: ClassVar[dict[str, Any]] = {
        "num_train_timesteps": 1000,
        "shift": 1.0,
        "use_dynamic_shifting": False,
        "base_shift": 0.5,
        "max_shift": 1.15,
        "base_image_seq_len": 256,
        "max_image_seq_len": 4096,
        "invert_sigmas": False,
        "shift_terminal": None,
        "use_karras_sigmas": False,
        "use_exponential_sigmas": False,
        "use_beta_sigmas": False,
        "time_shift_type": "exponential",
        "stochastic_sampling": False,
    }

    def __init__(self, config: Mapping[str, Any] | None = None):
        super().__init__(config)
        if self.config["use_dynamic_shifting"]:
            raise ArrangementError("use_dynamic_shifting needs a resolution-dependent shift, which NOVA doesn't define")
        spacings = [name for name in _SIGMA_SPACINGS if self.config[f"use_{name}_sigmas"]]
        if len(spacings) > 1:
            raise ArrangementError(f"only one sigma spacing can be used, config sets {' and '.join(spacings)}")
        self._spacing = _SIGMA_SPACINGS[spacings[0]] if spacings else None
        self.set_shift(self.config["shift"])
        count = self.num_train_timesteps
        sigmas = np.arange(count, 0, -1, dtype=np.float32) / np.float32(count)
        # float32 throughout: the ends of this table are the ends of every chain.
        self._training_sigmas = _shift_sigmas(torch.from_numpy(sigmas), self.shift)

    def set_shift(self, shift: float) -> None:
        """Change the shift of all later chains (stays until set again, as in diffusers)."""
        if not shift > 0:
            raise ArrangementError(f"flow shift must be positive, got {shift}")
        self.shift = float(shift)

    def set_timesteps(self, n: int, device: str | torch.device | None = None, shift: float | None = None) -> None:
        if n < 1:
            raise ArrangementError(f"number of diffusion steps must be at least 1, got {n}")
        if shift is not None and not shift > 0:
            raise ArrangementError(f"flow shift must be positive, got {shift}")
        count = self.num_train_timesteps
        first, last = self._training_sigmas[0].item(), self._training_sigmas[-1].item()
        sigmas = np.linspace(first * count, last * count, n) / count
        sigmas = _shift_sigmas(sigmas, self.shift if shift is None else shift)
        if self.config["shift_terminal"] and n > 1:
            sigmas = 1 - (1 - sigmas) * (1 - self.config["shift_terminal"]) / (1 - sigmas[-1])
        if self._spacing:
            sigmas = self._spacing(sigmas[0].item(), sigmas[-1].item(), n)
        table = torch.from_numpy(sigmas).float()
        end = 0.0
        if self.config["invert_sigmas"]:
            table, end = 1.0 - table, 1.0
        padded = torch.cat([table, table.new_tensor([end])])
        deltas = (padded[1:] - padded[:-1]).tolist()
        self.sigmas = padded
        self._tabulate(table * count, list(zip(padded[:-1].tolist(), padded[1:].tolist(), deltas, strict=True)), device)

    def needs_noise(self, index: int) -> bool:
        return self.config["stochastic_sampling"]

    def step(
        self, model_output: torch.Tensor, index: int, sample: torch.Tensor, noise: torch.Tensor | None = None
    ) -> torch.Tensor:
        sigma, following, delta = self._coefficients(index)
        sample = sample.float()
        if self.config["stochastic_sampling"]:
            if noise is None:
                raise ArrangementError("stochastic_sampling needs noise at every step")
            clean = torch.add(sample, model_output, alpha=-sigma)
            out = (1.0 - following) * clean + following * noise
        else:
            out = torch.add(sample, model_output, alpha=delta)
        return out.to(model_output.dtype)

    def add_noise(self, x: torch.Tensor, noise: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        sigma = gather(self._training_sigmas, index, x)
        return sigma * noise + (1.0 - sigma) * x

    def target(self, x: torch.Tensor, noise: torch.Tensor, index: torch.Tensor | None = None) -> torch.Tensor:
        return noise - x

    def sample_training_index(
        self,
        shape: tuple[int, ...],
        device: str | torch.device | None = None,
        generator: torch.Generator | None = None,
    ) -> torch.Tensor:
        # Logit-normal density over the descending table: the middle of the path is drawn most often.
        position = torch.randn(shape, device=device, generator=generator).sigmoid() * self.num_train_timesteps
        return position.long().clamp(max=self.num_train_timesteps - 1)

    def training_timesteps(self, index: torch.Tensor) -> torch.Tensor:
        return self._training_sigmas.to(index.device)[index] * self.num_train_timesteps
