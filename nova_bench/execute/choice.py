"""Chooses the executor that a suite asks for."""

from __future__ import annotations

from nova_bench.config.suite import ExecutionSpec
from nova_bench.execute.base import Executor
from nova_bench.execute.cards import visible_cards
from nova_bench.execute.inline import InlineExecutor
from nova_bench.execute.local import LocalExecutor
from nova_bench.execute.ray import RayExecutor

GENERATING_TIMES = 10
"""A step of generating may take this many times as long as one of scoring: loading a model, or a whole batch of it."""


def scoring_executor(spec: ExecutionSpec) -> Executor:
    """The executor that a suite asks for. Raises UserError if it needs a package that isn't installed."""
    return _make(spec, spec.stall_seconds) or InlineExecutor(spec.stall_seconds)


def generating_executor(spec: ExecutionSpec) -> Executor:
    """The same for generating, which may be slow: in this process, without a warning."""
    return _make(spec, GENERATING_TIMES * spec.stall_seconds) or InlineExecutor()


def _make(spec: ExecutionSpec, stall_seconds: float) -> Executor | None:
    """The executor with workers; None for work in this process."""
    if spec.executor == "local":
        return LocalExecutor(spec.workers, spec.batch_size, stall_seconds, visible_cards(spec.device))
    if spec.executor == "ray":
        return RayExecutor(spec.workers, spec.batch_size, spec.device, stall_seconds)
    return None
