"""What `compare A B` names: a run, a store, a checkpoint, or a folder of media, in this order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from nova_bench.config.catalog import SCORERS
from nova_bench.config.suite import GateSpec, ScorerUse, Suite
from nova_bench.core.errors import UserError
from nova_bench.core.progress import Progress
from nova_bench.experiments.base import Request
from nova_bench.experiments.benchmark.load import load_benchmark
from nova_bench.experiments.registry import BENCHMARK, kind_of
from nova_bench.gate.reading import side_of_run
from nova_bench.gate.side import Side
from nova_bench.models.base import ModelAdapter
from nova_bench.models.files import FilesSpec
from nova_bench.models.shorthand import model_section
from nova_bench.pipeline.manifest import MANIFEST
from nova_bench.pipeline.needs import absent_assets
from nova_bench.pipeline.plan import Plan
from nova_bench.pipeline.run import measure_plan, measure_suite
from nova_bench.prompts.file_names import Naming, usual_naming
from nova_bench.scorers.base import ScorerInfo
from nova_bench.store import Store
from nova_bench.store.store import StoredRun
from nova_bench.video.folder import list_media
from nova_bench.video.formats import MEDIA_SUFFIXES

FOLDERS = "folders"
"""Name of the suite that scores two folders of media."""


@dataclass(frozen=True)
class Operand:
    """One side, with the store and the run in which its samples are found, and its suite's rule."""

    side: Side
    store: Path
    run: str
    gate: GateSpec
    suite: Suite | None = None
    """The suite, if the operand is a model that was run now."""


@dataclass(frozen=True)
class Comparison:
    """A call of `compare`: ``request`` has the suite (empty if none is named), the store and the options of a run;
    ``metrics`` are those that score two folders of media."""

    a: str
    b: str
    request: Request
    metrics: Sequence[str] = ()


def resolve_operands(comparison: Comparison, progress: Progress) -> tuple[Operand, Operand]:
    """Find both sides; what is a model or a folder of media is run first. UserError if an operand is none of these."""
    names = (comparison.a, comparison.b)
    request = comparison.request
    stored = [find_run(name, request) for name in names]
    sections = [None if found else _model(name) for name, found in zip(names, stored, strict=True)]
    folders = [section is not None and section["adapter"] == "files" for section in sections]
    if all(folders) and not request.suite:
        pair = [Path(str(section["folder"])) for section in sections if section and "folder" in section]
        if len(pair) < len(names):
            raise UserError("a manifest of media needs a suite", "--suite SUITE, or give two folders")
        naming = _common_naming(pair)
        return tuple(_scored(path, naming, comparison, progress) for path in pair)  # type: ignore[return-value]
    operands = []
    for name, found in zip(names, stored, strict=True):
        operands.append(found or _run(name, request, progress))
    return operands[0], operands[1]


def find_run(name: str, request: Request) -> Operand | None:
    """The run that an operand names: by its folder, by its name in the store, or as the newest of a store.

    Of a store's runs, the newest one of the suite `--suite` counts, if it is given.
    """
    path = Path(name)
    for root, run in ((path.parent, path.name), (request.store, path.name if len(path.parts) == 1 else "")):
        if run and Store.exists(root):
            with Store.reader(root) as store:
                if any(run in (known, identity) for known, identity, _ in store.run_names()):
                    stored = store.run(run)
                    return _operand(stored, store)
    if not Store.exists(path):
        if path.is_dir() and (path / MANIFEST).is_file() and Store.exists(path.parent):
            raise UserError(f"{name}: its store has no such run", "name another run, or run the suite again")
        return None
    with Store.reader(path) as store:
        for known, *_ in store.run_names():
            stored = store.run(known)
            if stored.suite.get("kind", BENCHMARK) == BENCHMARK and _is_of(stored.suite, request.suite):
                return _operand(stored, store)
    raise UserError(
        f"{name}: a store without a benchmark's run{f' of {request.suite}' if request.suite else ''}",
        "name a run's folder",
    )


def measured_part(plan: Plan, adapter: ModelAdapter, store: Store, progress: Progress) -> Side:
    """Measure a plan, or a part of one, and read what it gave; what exists is not made again."""
    measure_plan(plan, adapter, store, progress)
    progress.notices.clear()
    return side_of_run(store.run(plan.run_id), store)


def _operand(run: StoredRun, store: Store) -> Operand:
    gate = GateSpec.model_validate(run.suite.get("gate", {}))  # a run from before gates has none
    return Operand(side_of_run(run, store), store.root, run.run, gate)


def _is_of(suite: dict[str, object], wanted: str) -> bool:
    return not wanted or suite.get("name") == load_benchmark(Request(wanted, Path())).name


def _model(name: str) -> dict[str, object]:
    try:
        return model_section(name)
    except UserError as error:
        raise UserError(
            f"{name}: no run, store, checkpoint or folder of media",
            "give a run's folder or name (with --store), a store, a checkpoint (with --suite), or a folder of videos",
        ) from error


def _run(name: str, request: Request, progress: Progress) -> Operand:
    if not request.suite:
        what = "a checkpoint" if _model(name)["adapter"] != "files" else "a folder of media beside something else"
        raise UserError(f"{name}: {what} needs a suite", "--suite SUITE")
    refuse_other_kinds(request.suite)
    suite = load_benchmark(replace(request, model=name), progress.notice)
    return replace(measured(suite, request.store, request.limit, progress), suite=suite)


def refuse_other_kinds(suite: str) -> None:
    """Raise UserError unless the suite is a benchmark."""
    if (kind := kind_of(suite)) != BENCHMARK:
        raise UserError(f"{suite}: a {kind}, and only a benchmark can be compared", "name one of its parts' suites")


def measured(suite: Suite, root: Path, limit: int | None, progress: Progress) -> Operand:
    """Run a suite and read what it measured."""
    with Store.writer(root) as store:
        plan, _ = measure_suite(suite, store, limit, progress)
        return _operand(store.run(plan.run_id), store)


def _scored(folder: Path, naming: Naming, comparison: Comparison, progress: Progress) -> Operand:
    """Score a folder by itself; its files are named by their paths without suffix."""
    suite = Suite(
        name=FOLDERS,
        title=f"{Path(comparison.a).name} and {Path(comparison.b).name}",
        model=FilesSpec(folder=str(folder), naming=naming, label=folder.name),
        scorers=tuple(_uses(comparison.metrics)),
    )
    operand = measured(suite, comparison.request.store, comparison.request.limit, progress)
    if naming != "path":
        return operand
    names = {prompt: str(PurePath(text).with_suffix("")) for prompt, text in operand.side.prompts.items()}
    seen: dict[str, str] = {}
    for prompt, name in names.items():
        if name in seen:
            both = f"{operand.side.prompts[seen[name]]} and {operand.side.prompts[prompt]}"
            raise UserError(f"{folder}: {both} have the same name without suffix", "keep one of them")
        seen[name] = prompt
    return replace(operand, side=replace(operand.side, names=names))


def _common_naming(folders: Sequence[Path]) -> Naming:
    """PROMPT-INDEX if both folders' names are meant so: samples of one prompt aren't independent. Else by path."""
    listings = [list_media(folder, MEDIA_SUFFIXES).files for folder in folders]
    flat = all(len(path.parts) == 1 for files in listings for path in files)
    indexed = all(files and usual_naming(files)[0] == "prompt-index" for files in listings)
    return "prompt-index" if flat and indexed else "path"


def _uses(metrics: Sequence[str]) -> list[ScorerUse]:
    """The scorers named, or all that need nothing but the videos and whose weights are here."""
    if metrics:
        return [ScorerUse(name=name, settings=SCORERS.get(name).settings()) for name in metrics]
    ready = [info for info in SCORERS.all().values() if _needs_only_videos(info)]
    return [ScorerUse(name=info.name, settings=info.settings()) for info in ready]


def _needs_only_videos(info: ScorerInfo) -> bool:
    needs_more = info.needs_reference or info.needs_prompt or info.reads.model_fields
    by_name_only = info.name.startswith("static_filter") or info.name.endswith("_corrected")
    return not needs_more and not by_name_only and not absent_assets(info.assets)
