"""Kinds of suite: what `kind:` at the top of a suite file may say, and what runs each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from nova_bench.core.errors import SuiteError, UserError
from nova_bench.core.registry import nearest

if TYPE_CHECKING:
    from pydantic import BaseModel

    from nova_bench.core.progress import Progress
    from nova_bench.report import Reported
    from nova_bench.store import Store
    from nova_bench.store.store import StoredRun


@dataclass(frozen=True)
class Kind:
    """What a kind of suite does, as "module:name", imported when it is used.

    spec: the pydantic model of such a suite. run: ``(Request, Progress) -> Reported``. preview:
    ``(Request) -> Preview``; it needs no torch. report: ``(StoredRun, Store, folder, Progress) -> Reported``; it
    needs no model. A run in the store is of the kind that its ``suite["kind"]`` says.
    """

    spec: str
    run: str
    preview: str
    report: str


BENCHMARK = "benchmark"
STUDY = "study"
COLLECTION = "collection"
LATENCY = "latency"
KINDS = {
    BENCHMARK: Kind(
        spec="nova_bench.config.suite:Suite",
        run="nova_bench.pipeline.run:run_benchmark",
        preview="nova_bench.pipeline.preview:preview_benchmark",
        report="nova_bench.report:report_benchmark",
    ),
    STUDY: Kind(
        spec="nova_bench.experiments.study.spec:Study",
        run="nova_bench.experiments.study.run:run_study",
        preview="nova_bench.experiments.study.preview:preview_study",
        report="nova_bench.experiments.study.report:report_study",
    ),
    COLLECTION: Kind(
        spec="nova_bench.experiments.collection.spec:Collection",
        run="nova_bench.experiments.collection.run:run_collection",
        preview="nova_bench.experiments.collection.preview:preview_collection",
        report="nova_bench.experiments.collection.report:report_collection",
    ),
    LATENCY: Kind(
        spec="nova_bench.experiments.latency.spec:LatencySuite",
        run="nova_bench.experiments.latency.run:run_latency",
        preview="nova_bench.experiments.latency.preview:preview_latency",
        report="nova_bench.experiments.latency.report:report_latency",
    ),
}


@dataclass(frozen=True)
class Request:
    """One call of `nova_bench run`, as the command line states it."""

    suite: str
    """Path or name of the suite file."""
    store: Path
    model: str | None = None
    """`--model`."""
    assignments: Sequence[str] = ()
    """`--set`, in order."""
    execution: Mapping[str, Any] = field(default_factory=dict)
    """Keys of the suite's `execution` section that the command line states (`--device` and its like)."""
    limit: int | None = None
    dimensions: Sequence[str] = ()
    """`--dims`: only these scorers and their prompts."""
    media: Mapping[str, Any] = field(default_factory=dict)
    """Keys of the suite's `media` section that the command line states (`--allow-truncated`)."""

    @property
    def options(self) -> dict[tuple[str, str], Any]:
        """Keys of a suite's sections that options of their own state, such as ("execution", "device")."""
        sections = {"execution": self.execution, "media": self.media}
        return {(name, key): value for name, section in sections.items() for key, value in section.items()}


class Preview(Protocol):
    """What a run would do."""

    missing_assets: Sequence[str]
    """One line for each asset that isn't here."""

    @property
    def summary(self) -> str:
        """How much there is to do, in a few words."""

    def text(self) -> str:
        """All of it, for the terminal."""


def kind_of(suite: str) -> str:
    """The kind of the suite called ``suite``. SuiteError for one that doesn't exist."""
    from nova_bench.config.loading import find_suite, inherit

    source = inherit(find_suite(suite), ())
    kind = str(source.data.get("kind", BENCHMARK))
    if kind not in KINDS:
        raise SuiteError(
            f"{source.origin(('kind',)).where}: unknown kind {kind!r}{nearest(kind, KINDS)}",
            f"one of: {', '.join(KINDS)}",
        )
    return kind


def run_request(request: Request, progress: Progress) -> Reported:
    """Run a suite of any kind."""
    return _imported(KINDS[kind_of(request.suite)].run)(request, progress)


def preview_request(request: Request) -> Preview:
    """Say what a run of a suite of any kind would do."""
    return _imported(KINDS[kind_of(request.suite)].preview)(request)


def report_run(run: StoredRun, store: Store, folder: Path, progress: Progress) -> Reported:
    """Rebuild the report of a stored run of any kind under ``folder``."""
    kind = KINDS.get(run.suite.get("kind", BENCHMARK))
    if kind is None:
        raise UserError(f"run {run.name}: of the unknown kind {run.suite['kind']!r}", "use the version that made it")
    return _imported(kind.report)(run, store, folder, progress)


def spec_of(kind: str) -> type[BaseModel]:
    """The pydantic model of a kind's suite files."""
    return _imported(KINDS[kind].spec)


def _imported(path: str) -> Any:
    module, _, function = path.partition(":")
    return getattr(import_module(module), function)
