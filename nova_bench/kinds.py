"""Kinds of suite: what `kind:` at the top of a suite file may say, and what runs each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from nova_bench.errors import ExitCode, SuiteError
from nova_bench.names import nearest

if TYPE_CHECKING:
    from pydantic import BaseModel

    from nova_bench.progress import Progress
    from nova_bench.render.table import Table
    from nova_bench.report import Reported
    from nova_bench.store import Store
    from nova_bench.store.store import StoredRun


@dataclass(frozen=True)
class Kind:
    """What a kind of suite says and does, as "module:name", imported when it is used.

    spec: the pydantic model of its files. run: ``(Request, Progress) -> Outcome``. preview: ``(Request) -> Preview``;
    it needs no torch. report: ``(StoredRun, Store, folder, Progress) -> Reported``, from what the store holds.
    """

    spec: str
    run: str
    preview: str
    report: str


BENCHMARK = "benchmark"
KINDS = {
    BENCHMARK: Kind(
        spec="nova_bench.spec:Suite",
        run="nova_bench.run:run_benchmark",
        preview="nova_bench.preview:preview_benchmark",
        report="nova_bench.report:report_benchmark",
    ),
    "latency": Kind(
        spec="nova_bench.latency.spec:LatencySuite",
        run="nova_bench.latency.run:run_latency",
        preview="nova_bench.latency.preview:preview_latency",
        report="nova_bench.latency.report:report_latency",
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


class Outcome(Protocol):
    """What a run ended with."""

    @property
    def tables(self) -> Sequence[Table]:
        """For the terminal."""

    @property
    def page(self) -> Path:
        """The report."""

    @property
    def gaps(self) -> Sequence[str]:
        """One line for each thing that was asked for and has no number."""

    @property
    def exit_code(self) -> ExitCode: ...


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
    from nova_bench.load import find_suite, inherit

    source = inherit(find_suite(suite), ())
    kind = source.data.get("kind", BENCHMARK)
    if kind not in KINDS:
        raise SuiteError(
            f"{source.origin(('kind',)).where}: unknown kind {kind!r}{nearest(str(kind), KINDS)}",
            f"one of: {', '.join(KINDS)}",
        )
    return kind


def run_request(request: Request, progress: Progress) -> Outcome:
    """Run a suite of any kind."""
    return _imported(KINDS[kind_of(request.suite)].run)(request, progress)


def preview_request(request: Request) -> Preview:
    """Say what a run of a suite of any kind would do."""
    return _imported(KINDS[kind_of(request.suite)].preview)(request)


def report_run(run: StoredRun, store: Store, folder: Path, progress: Progress) -> Reported:
    """Write the report of a stored run of any kind into ``folder``."""
    return _imported(KINDS[run.suite.get("kind", BENCHMARK)].report)(run, store, folder, progress)


def spec_of(kind: str) -> type[BaseModel]:
    """The pydantic model of a kind's suite files."""
    return _imported(KINDS[kind].spec)


def _imported(path: str) -> Any:
    module, _, function = path.partition(":")
    return getattr(import_module(module), function)
