"""Options that several commands share."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Annotated

import typer

from nova_bench.config import ranges
from nova_bench.config.suite_files import FOLDERS
from nova_bench.core.errors import UserError

SuiteName = Annotated[str, typer.Argument(metavar="SUITE", help="A suite file, or the name of one in suites/.")]


def _add_suites(folders: list[Path] | None) -> list[Path] | None:
    """Add these folders to the search for suites, here and in worker processes."""
    for folder in folders or ():
        if not folder.is_dir():
            raise typer.BadParameter(f"{folder} is not a folder")
    known = [str(folder.absolute()) for folder in folders or ()]
    if known:
        os.environ[FOLDERS] = os.pathsep.join([*known, *filter(None, [os.environ.get(FOLDERS)])])
    return folders


Suites = Annotated[
    list[Path] | None,
    typer.Option(
        "--suites",
        metavar="DIR",
        callback=_add_suites,
        is_eager=True,
        help=f"A folder with your own suites, which can then be run by name. Repeatable; also ${FOLDERS}.",
    ),
]
StoreFolder = Annotated[Path, typer.Option("--store", help="Folder of the store.", envvar="NOVA_BENCH_STORE")]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="Another model: a checkpoint, a model of suites/models, a folder of videos, or a manifest (.csv, .jsonl).",
    ),
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Only the first N samples of the plan.")]
Dimensions = Annotated[
    str | None, typer.Option("--dims", metavar="A,B", help="Only these scorers of the suite, and only their prompts.")
]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a value of the suite: a.b=c. Repeatable.")
]
Device = Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda, cuda:1, ...")]
BatchSize = Annotated[
    int | None,
    typer.Option("--batch-size", min=1, max=ranges.BATCH, help="Samples per batch. Changes numbers by rounding only."),
]
Executor = Annotated[str | None, typer.Option("--executor", help="inline, local or ray.")]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, max=ranges.WORKERS, help="Worker processes or Ray actors.")
]
AllowTruncated = Annotated[
    bool, typer.Option("--allow-truncated", help="Score truncated or damaged videos on their intact frames.")
]
Shard = Annotated[
    str | None, typer.Option("--shard", metavar="I/N", help="Only part I of N, for array jobs; see `store merge`.")
]
MaxFailures = Annotated[
    int | None,
    typer.Option("--max-failures", metavar="N", min=0, help="Stop when more than N samples fail."),
]
RetryFailed = Annotated[
    bool,
    typer.Option("--retry-failed", help="Retry failed samples even if file, limits and code are unchanged."),
]
Rehash = Annotated[bool, typer.Option("--rehash", help="Read every file again instead of trusting remembered digests.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="All tables, not only the main one.")]
Open = Annotated[bool, typer.Option("--open", help="Open the page in a browser.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask before a run that may take more than an hour.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Results, warnings and errors only.")]


def finite(value: float | None) -> float | None:
    """Refuse NaN and infinity, which click accepts as numbers."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number")
    return value


def seed_of_64_bits(value: int) -> int:
    """Refuse a seed outside the range of generators."""
    if not 0 <= value <= ranges.SEED:
        raise typer.BadParameter(f"a seed must be from 0 to {ranges.SEED}")
    return value


def names(text: str | None, option: str = "--dims") -> tuple[str, ...]:
    """``a, b`` as names; empty if the option is absent. An option without names is refused."""
    found = tuple(name.strip() for name in (text or "").split(",") if name.strip())
    if text is not None and not found:
        raise UserError(f"{option} {text!r} names no scorer", f"name some, separated by commas: {option} A,B")
    return found


def given(**values: object) -> dict[str, object]:
    """The keys of the suite's section `execution` that options state."""
    return {key: value for key, value in values.items() if value is not None}


def media(allow_truncated: bool) -> dict[str, bool]:
    """The suite's section `media` as stated by options."""
    return {"allow_truncated": True} if allow_truncated else {}


DEFAULT_STORE = Path("runs")
