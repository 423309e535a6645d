"""`nova_bench plan`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nova_bench.cli import options
from nova_bench.core.atomic_files import write_atomic
from nova_bench.core.errors import ExitCode
from nova_bench.core.notices import notices_csv
from nova_bench.core.progress import Progress
from nova_bench.core.remembered_digests import distrusting
from nova_bench.experiments.base import Request
from nova_bench.experiments.registry import preview_request


def plan(
    suite: options.SuiteName,
    model: options.Model = None,
    limit: options.Limit = None,
    dims: options.Dimensions = None,
    set_: options.Assignments = None,
    shard: options.Shard = None,
    allow_truncated: options.AllowTruncated = False,
    rehash: options.Rehash = False,
    store: options.StoreFolder = options.DEFAULT_STORE,
    notices: Annotated[
        Path | None,
        typer.Option("--notices", metavar="FILE", help="Write all warnings to a CSV file, with every name."),
    ] = None,
    suites: options.Suites = None,
) -> ExitCode:
    """Show what a run would do: samples and scores done or missing, required assets, disk and time."""
    dimensions, media = options.names(dims), options.media(allow_truncated)
    execution = options.given(shard=shard)
    request = Request(suite, store, model, set_ or (), execution, limit, dimensions, media)
    progress = Progress()
    with distrusting(rehash):
        preview = preview_request(request, progress)
    print(preview.text())
    if notices is not None:
        write_atomic(notices, notices_csv(progress.notices).encode())
    return ExitCode.PASS if not preview.missing_assets else ExitCode.INCOMPLETE
