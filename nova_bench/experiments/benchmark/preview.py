"""What a run of a benchmark would do. Needs no torch."""

from __future__ import annotations

from nova_bench.core.progress import Progress
from nova_bench.experiments.base import Request
from nova_bench.experiments.benchmark.load import load_benchmark
from nova_bench.pipeline.preview import Preview, preview_suite


def preview_benchmark(request: Request, progress: Progress) -> Preview:
    """Plan the suite and count what is there. Writes nothing."""
    return preview_suite(load_benchmark(request), request.store, request.limit, progress)
