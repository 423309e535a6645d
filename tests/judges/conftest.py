"""Judges as the harness builds them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nova_bench.core.errors import MissingAsset
from nova_bench.judges.base import Judge, JudgeContext, judge_called


@pytest.fixture
def judge() -> Callable[..., Judge]:
    """Build the judge of a suite's ``judge`` on the CPU; ``assets`` are paths by name."""

    def build(name: str, assets: dict[str, Path] | None = None) -> Judge:
        def asset(wanted: str) -> Path:
            if wanted in (assets or {}):
                return (assets or {})[wanted]
            raise MissingAsset(f"needs {wanted}")

        info, model = judge_called(name)
        return info.build(JudgeContext("cpu", asset, model))

    return build
