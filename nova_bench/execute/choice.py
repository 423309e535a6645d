"""Chooses the executor that a suite asks for."""

from __future__ import annotations

from nova_bench.config.suite import ExecutionSpec
from nova_bench.execute.base import Executor
from nova_bench.execute.cards import visible_cards
from nova_bench.execute.inline import InlineExecutor
from nova_bench.execute.local import LocalExecutor
from nova_bench.execute.ray import RayExecutor


def executor_of(spec: ExecutionSpec) -> Executor:
    """The executor that a suite asks for. Raises UserError if it needs a package that isn't installed."""
    if spec.executor == "local":
        return LocalExecutor(spec.workers, spec.batch_size, visible_cards(spec.device))
    if spec.executor == "ray":
        return RayExecutor(spec.workers, spec.batch_size, spec.device)
    return InlineExecutor()
