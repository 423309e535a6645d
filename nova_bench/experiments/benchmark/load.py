"""Suite file -> Suite, with everything that the command line changes."""

from __future__ import annotations

from collections.abc import Callable

from nova_bench.config.loading import load_suite
from nova_bench.config.suite import Suite
from nova_bench.core.notices import unheard
from nova_bench.experiments.base import Request
from nova_bench.models.shorthand import model_section
from nova_bench.pipeline.subset import suite_subset


def load_benchmark(request: Request, notice: Callable[..., None] = unheard) -> Suite:
    """Load the suite as requested; ``notice`` reports what that leaves out. SuiteError if it is invalid."""
    model = model_section(request.model) if request.model else None
    suite = load_suite(request.suite, request.assignments, model, request.options)
    return suite_subset(suite, request.dimensions, notice)
