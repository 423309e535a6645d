"""Denoising diffusion with ancestral sampling, as ``DDPMScheduler`` of diffusers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch

from nova_bench.nova.errors import ArrangementError
from nova_bench.nova.schedulers.schedule import Schedule, gather


class DDPMSchedule(Schedule):
    """Ancestral sampling of Ho et al. 2020 (eq. 7 and 15) on a subset of the training steps."""

    CLASS_NAME = "DDPMScheduler"
    DEFAULTS: ClassVar[dict[str, Any]] = {
        "num_train_timesteps": 1000,
        "beta_start": 0.0001,
        "beta_end": 0.02,
        "beta_schedule": "linear",
        "trained_betas": None,
        "variance_type": "fixed_small",
        "clip_sample": True,
        "prediction_type": "epsilon",
        "thresholding": False,
        "dynamic_thresholding_ratio": 0.995,
        "clip_sample_range": 1.0,
        "sample_max_value": 1.0,
        "timestep_spacing": "leading",
        "steps_offset": 0,
        "rescale_betas_zero_snr": False,
    }
    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {
        "variance_type": ("fixed_small", "fixed_small_log", "fixed_large"),
        "prediction_type": ("epsilon", "sample", "v_prediction"),
        "timestep_spacing": ("leading", "trailing", "linspace"),
    }

    def __init__(self, config: Mapping[str, Any] | None = None):
        super().__init__(config)
        for field, choices in self.CHOICES.items():
            if self.config[field] not in choices:
                raise ArrangementError(f"{field} {self.config[field]!r} isn't supported, only {', '.join(choices)}")
        if self.config["thresholding"]:
            raise ArrangementError("thresholding isn't supported: it's meant for pixels and NOVA works on latents")
        self.alphas_cumprod = torch.cumprod(1.0 - _betas(self.config), dim=0)

    def set_timesteps(self, n: int, device: str | torch.device | None = None, shift: float | None = None) -> None:
        if shift is not None:
            raise ArrangementError("flow_shift doesn't apply to a DDPM checkpoint")
        if not 1 <= n <= self.num_train_timesteps:
            raise ArrangementError(f"number of diffusion steps must be 1..{self.num_train_timesteps}, got {n}")
        timesteps = torch.from_numpy(self._spaced(n))
        if timesteps[0] >= len(self.alphas_cumprod) or timesteps[-1] < 0:
            raise ArrangementError(
                f"timesteps {timesteps[-1]}..{timesteps[0]} leave 0..{len(self.alphas_cumprod) - 1}; "
                f"check steps_offset {self.config['steps_offset']} and {n} diffusion steps"
            )
        a = self.alphas_cumprod[timesteps]
        a_previous = torch.cat([a[1:], a.new_ones(1)])
        a_ratio = a / a_previous
        beta = 1 - a_ratio
        # The mean of the previous sample is clean_weight * x0 + sample_weight * x.
        clean_weight = a_previous**0.5 * beta / (1 - a)
        sample_weight = a_ratio**0.5 * (1 - a_previous) / (1 - a)
        variance = ((1 - a_previous) / (1 - a) * beta).clamp(min=1e-20)
        if self.config["variance_type"] == "fixed_large":
            variance = beta
        std = torch.where(timesteps > 0, variance**0.5, 0.0)
        columns = (a**0.5, (1 - a) ** 0.5, clean_weight, sample_weight, std)
        steps: list[tuple[float, ...]] = []
        for root_a, root_b, clean, current, deviation in zip(*(column.tolist() for column in columns), strict=True):
            # x0 = p * x + q * model_output
            if self.config["prediction_type"] == "epsilon":
                if root_a == 0:
                    raise ArrangementError(
                        "rescale_betas_zero_snr: noise prediction is undefined where no signal is left"
                    )
                p, q = 1 / root_a, -root_b / root_a
            elif self.config["prediction_type"] == "v_prediction":
                p, q = root_a, -root_b
            else:
                p, q = 0.0, 1.0
            steps.append((p, q, clean, current, deviation))
        self._tabulate(timesteps, steps, device)

    def _spaced(self, n: int) -> np.ndarray:
        """Descending integer timesteps (Lin et al. 2024, table 2, as rounded by diffusers)."""
        count, spacing = self.num_train_timesteps, self.config["timestep_spacing"]
        if spacing == "linspace":
            steps = np.linspace(0, count - 1, n).round()[::-1]
        elif spacing == "trailing":
            steps = np.round(np.arange(count, 0, -count / n))[:n] - 1  # rounding of the ratio may add an entry t = -1
        else:
            steps = np.arange(n)[::-1] * (count // n) + self.config["steps_offset"]
        return steps.astype(np.int64)

    def needs_noise(self, index: int) -> bool:
        return self.timestep_values[index] > 0

    def step(
        self, model_output: torch.Tensor, index: int, sample: torch.Tensor, noise: torch.Tensor | None = None
    ) -> torch.Tensor:
        p, q, clean, current, std = self._coefficients(index)
        if self.config["clip_sample"]:
            limit = self.config["clip_sample_range"]
            x0 = torch.add(p * sample, model_output, alpha=q).clamp_(-limit, limit)
            out = torch.add(current * sample, x0, alpha=clean)
        else:
            out = torch.add((clean * p + current) * sample, model_output, alpha=clean * q)
        if not self.needs_noise(index):
            return out
        if noise is None:
            raise ArrangementError(f"DDPM step {index} needs noise")
        return out.add_(noise, alpha=std)

    def add_noise(self, x: torch.Tensor, noise: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        a = gather(self.alphas_cumprod, index, x, dtype=torch.float32)
        return (a**0.5).to(x.dtype) * x + ((1 - a) ** 0.5).to(x.dtype) * noise

    def target(self, x: torch.Tensor, noise: torch.Tensor, index: torch.Tensor | None = None) -> torch.Tensor:
        if self.config["prediction_type"] == "epsilon":
            return noise
        if self.config["prediction_type"] == "sample":
            return x
        if index is None:
            raise ArrangementError("the target of v_prediction depends on the training index")
        return self.add_noise(noise, -x, index)

    def sample_training_index(
        self,
        shape: tuple[int, ...],
        device: str | torch.device | None = None,
        generator: torch.Generator | None = None,
    ) -> torch.Tensor:
        return torch.randint(self.num_train_timesteps, shape, device=device, generator=generator)

    def training_timesteps(self, index: torch.Tensor) -> torch.Tensor:
        return index.float()


def _betas(config: Mapping[str, Any]) -> torch.Tensor:
    """Noise added at each training step, float32 [num_train_timesteps]."""
    count, start, end = int(config["num_train_timesteps"]), config["beta_start"], config["beta_end"]
    schedule = config["beta_schedule"]
    if config["trained_betas"] is not None:
        betas = torch.tensor(config["trained_betas"], dtype=torch.float32)
        if len(betas) != count:
            raise ArrangementError(f"trained_betas has {len(betas)} entries for {count} training steps")
    elif schedule == "linear":
        betas = torch.linspace(start, end, count)
    elif schedule == "scaled_linear":
        betas = torch.linspace(start**0.5, end**0.5, count) ** 2
    elif schedule == "sigmoid":
        betas = torch.linspace(-6, 6, count).sigmoid() * (end - start) + start
    elif schedule == "squaredcos_cap_v2":
        kept = [math.cos((i / count + 0.008) / 1.008 * math.pi / 2) ** 2 for i in range(count + 1)]
        betas = torch.tensor([min(1 - kept[i + 1] / kept[i], 0.999) for i in range(count)])
    else:
        raise ArrangementError(f"beta_schedule {schedule!r} isn't supported")
    return _zero_terminal_snr(betas) if config["rescale_betas_zero_snr"] else betas


def _zero_terminal_snr(betas: torch.Tensor) -> torch.Tensor:
    """Rescale so that the last step keeps no signal (Lin et al. 2024, algorithm 1)."""
    roots = torch.cumprod(1.0 - betas, dim=0).sqrt()
    roots = (roots - roots[-1]) * (roots[0] / (roots[0] - roots[-1]))
    kept = roots**2
    return 1 - torch.cat([kept[:1], kept[1:] / kept[:-1]])
