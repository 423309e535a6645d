"""The functions of the package: the commands of the same names, for Python."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nova_bench.config.catalog import SCORERS
from nova_bench.core.errors import UserError
from nova_bench.core.progress import Progress
from nova_bench.experiments.base import Request
from nova_bench.experiments.benchmark.load import load_benchmark
from nova_bench.experiments.benchmark.scoring import ALONE, WITH_REFERENCE, ScoreRequest
from nova_bench.experiments.benchmark.scoring import score as score_media
from nova_bench.experiments.registry import run_request
from nova_bench.gate.compare import Options, compare_sides
from nova_bench.gate.operands import Comparison, resolve_operands
from nova_bench.gate.verdict_file import VerdictFile
from nova_bench.interface.media import is_path, write_media
from nova_bench.interface.results import Results
from nova_bench.store import Store

DEFAULT_STORE = "runs"


def score(
    media: Any,
    metrics: Sequence[str] = (),
    *,
    reference: Any = None,
    prompts: str | Sequence[str] | None = None,
    fps: float | None = None,
    device: str | None = None,
    store: str | PathLike[str] | None = None,
) -> Results:
    """Score videos or images.

    ``media``: a path, as for `nova_bench score`; or media in memory: an array [T, H, W, 3], a tensor [T, 3, H, W], a
    list of PIL images (one video), a list of any of these or of paths (several), or an array or tensor with one
    dimension more (a batch). uint8, or floats from 0 to 1.

    ``metrics``: names of scorers; by default those that need no weights. ``reference``: what to compare with, in the
    same form as ``media``. ``prompts`` and ``fps``: the videos' prompts and frame rate, for media in memory and metrics
    that read them. ``store``: a folder that keeps the results, so that nothing is computed twice; without it they last
    as long as the object that is returned.

    Raises UserError for media, metrics or references that can't be used.
    """
    metrics, optional = [metrics] if isinstance(metrics, str) else metrics, not metrics
    kept = TemporaryDirectory(prefix="nova_bench-") if store is None or not is_path(media) else None
    root = Path(store) if store is not None else Path(kept.name if kept else "")
    execution = {} if device is None else {"device": device}
    if is_path(media):
        if prompts is not None:
            raise UserError("prompts: the media are given by a path", "name their prompts in a manifest")
        path, other, rate = Path(media), None if reference is None else Path(reference), fps
    else:
        assert kept is not None
        metrics = _in_memory(metrics, reference is not None, prompts is not None, fps)
        path, other, rate = write_media(Path(kept.name), media, reference, prompts, fps), None, None
    request = ScoreRequest(path, root, tuple(metrics), other, rate, execution, {}, optional)
    return Results.of(score_media(request, Progress(quiet=True)), root, kept)


def _in_memory(metrics: Sequence[str], compares: bool, named: bool, fps: float | None) -> Sequence[str]:
    """The metrics of media in memory, by default those that can be had. UserError if one reads what isn't given."""
    default = (*ALONE, *(WITH_REFERENCE if compares else ()))
    for name in metrics:
        info = SCORERS.get(name)
        for needed, given, what in (
            (info.needs_fps, fps is not None, "fps"),
            (info.needs_prompt, named, "prompts"),
            (info.needs_reference, compares, "reference"),
        ):
            if needed and not given:
                raise UserError(f"{name}: needs {what}", f"score(..., {what}=...)")
    return metrics or [name for name in default if fps is not None or not SCORERS.get(name).needs_fps]


def run(
    suite: str | PathLike[str],
    model: str | PathLike[str] | None = None,
    *,
    limit: int | None = None,
    settings: Sequence[str] = (),
    device: str | None = None,
    store: str | PathLike[str] = DEFAULT_STORE,
) -> Results:
    """Run a suite, as `nova_bench run` does; what is in the store is not computed again.

    ``suite`` is a file or the name of one of nova_bench's; ``model`` whatever `--model` takes; ``settings`` are changes
    as of `--set`, such as ``"sampling.num_frames=9"``. Raises UserError if the run can't begin or is stopped.
    """
    execution = {} if device is None else {"device": device}
    request = Request(str(suite), Path(store), None if model is None else str(model), settings, execution, limit)
    return Results.of(run_request(request, Progress(quiet=True)), Path(store))


def load(run: str | PathLike[str], store: str | PathLike[str] | None = None) -> Results:
    """The results of a run in a store.

    ``run`` is the run's name or folder; ``store`` is the folder that holds the runs, by default the one around that
    folder, or ``runs``. Raises StoreError if the run doesn't exist.
    """
    folder = Path(run)
    root = Path(store) if store is not None else folder.parent if folder.is_dir() else Path(DEFAULT_STORE)
    with Store.reader(root) as opened:
        return Results(opened.run(folder.name).name, root)


def compare(
    a: str | PathLike[str],
    b: str | PathLike[str],
    *,
    suite: str | None = None,
    metrics: Sequence[str] = (),
    limit: int | None = None,
    store: str | PathLike[str] = DEFAULT_STORE,
) -> VerdictFile:
    """Compare B with A, as `nova_bench compare` does: two runs, stores, models (with ``suite``), or folders of media.

    Returns the verdict: ``verdict``, ``summary`` in one line, and ``metrics``.
    """
    request = Request(suite or "", Path(store), limit=limit)
    old, new = resolve_operands(Comparison(str(a), str(b), request, tuple(metrics)), Progress(quiet=True))
    return compare_sides(old.side, new.side, Options(load_benchmark(request).gate if suite else new.gate))
