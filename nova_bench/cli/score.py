"""`nova_bench score`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from nova_bench.cli import options
from nova_bench.cli.run import show_report
from nova_bench.core.errors import ExitCode
from nova_bench.core.progress import Progress
from nova_bench.core.remembered_digests import distrusting
from nova_bench.core.standard_streams import print_line
from nova_bench.experiments.benchmark.scoring import ScoreRequest, further_metrics
from nova_bench.experiments.benchmark.scoring import score as score_media


def score(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH", help="A video or image, a folder of them, a folder of frames, or a manifest (.csv, .jsonl)."
        ),
    ],
    metrics: Annotated[
        str | None,
        typer.Option("--metrics", metavar="A,B", help="Scorers by name. Default: all that need no weights."),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            "--reference", metavar="PATH", help="Compare with this file, or with files of equal names in this folder."
        ),
    ] = None,
    fps: Annotated[
        float | None, typer.Option("--fps", help="PATH holds frames: one folder of pictures per video, at this rate.")
    ] = None,
    device: options.Device = None,
    batch_size: options.BatchSize = None,
    executor: options.Executor = None,
    workers: options.Workers = None,
    retry_failed: options.RetryFailed = False,
    rehash: options.Rehash = False,
    store: options.StoreFolder = options.DEFAULT_STORE,
    allow_truncated: options.AllowTruncated = False,
    quiet: options.Quiet = False,
) -> ExitCode:
    """Score videos or images of any model. By default with every metric that needs no weights."""
    execution = options.given(
        device=device, batch_size=batch_size, executor=executor, workers=workers, retry_failed=retry_failed or None
    )
    names = options.names(metrics, "--metrics")
    request = ScoreRequest(path, store, names, reference, fps, execution, options.media(allow_truncated))
    progress = Progress(quiet)
    with distrusting(rehash):
        code = show_report(score_media(request, progress), progress)
    if not quiet:
        for line in further_metrics(request):
            print_line(f"more: {line}", sys.stderr)
    return code
