"""Suite file -> LatencySuite, with inheritance, `--model`, `--set` and errors that name file and line."""

from __future__ import annotations

from nova_bench.config.loading import check_section, model_options, requested_source
from nova_bench.core.errors import UserError
from nova_bench.experiments.base import Request
from nova_bench.experiments.latency.spec import LatencyExecution, LatencySuite
from nova_bench.models.nova import NovaSpec
from nova_bench.models.shorthand import model_section


def load_latency(request: Request) -> LatencySuite:
    """Load the suite with everything that the command line changes.

    SuiteError for a wrong key or value; UserError for `--dims`, and for a model that can't be timed.
    """
    if request.dimensions:
        raise UserError(
            f"--dims: suite {request.suite} measures times and has no scorers",
            "leave out --dims; --limit N measures only the first N settings",
        )
    model = model_section(request.model) if request.model else None
    # Batch, executor and workers of the command line apply to other kinds: here the batch is part of the setting.
    execution = {
        ("execution", key): value for key, value in request.execution.items() if key in LatencyExecution.model_fields
    }
    source = requested_source(request.suite, request.assignments, model, execution)
    data = dict(source.data)
    if "model" in data:
        data["model"] = model_options(data["model"], source)
    suite = check_section(LatencySuite, data, (), source)
    if not isinstance(suite.model, NovaSpec):
        raise UserError(
            f"suite {suite.name}: a model of the adapter {suite.model.adapter!r} can't be timed part by part",
            "use --model with a NOVA checkpoint or NAME@random",
        )
    return suite.read_from(source.files)
