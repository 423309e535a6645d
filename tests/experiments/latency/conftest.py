from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml


@pytest.fixture
def write_latency(tmp_path: Path) -> Callable[..., Path]:
    """Write a suite that times the miniature in the shortest calls; keyword arguments replace top-level keys."""

    def write(**keys: object) -> Path:
        suite = {
            "kind": "latency",
            "name": "times",
            "title": "Times",
            "model": {"adapter": "nova", "checkpoint": "miniature", "random_weights": True},
            "setting": {"num_inference_steps": 2, "num_diffusion_steps": 2, "prompt_tokens": 4},
            "rows": [{"label": "NOVA"}],
            "measure": {"warmup": 0, "repeats": 1, "overhead": None},
        }
        path = tmp_path / "times.yaml"
        path.write_text(yaml.safe_dump({**suite, **keys}, sort_keys=False), encoding="utf-8")
        return path

    return write
