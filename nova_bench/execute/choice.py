"""Chooses the executor that a suite asks for."""

from __future__ import annotations

from nova_bench.config.suite import ExecutionSpec
from nova_bench.execute.base import Executor
from nova_bench.execute.inline import InlineExecutor
from nova_bench.execute.processes import ProcessExecutor
from nova_bench.execute.ray import RayExecutor


def make_executor(spec: ExecutionSpec) -> Executor:
    """The executor a suite asks for. Raises UserError if it needs a package that isn't installed."""
    if spec.executor == "processes":
        return ProcessExecutor(spec.workers, spec.batch_size, spec.stall_seconds)
    if spec.executor == "ray":
        return RayExecutor(spec.workers, spec.batch_size, spec.device, spec.stall_seconds)
    return InlineExecutor(spec.stall_seconds)
