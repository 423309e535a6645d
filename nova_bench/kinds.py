"""Kinds of suite: what `kind:` at the top of a suite file may say, and what runs each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from nova_bench.errors import ExitCode, SuiteError
from nova_bench.names import nearest

if TYPE_CHECKING:
    from nova_bench.progress import Progress
    from nova_bench.render.table import Table


@dataclass(frozen=True)
class Kind:
    """What a kind of suite does, as "module:function", imported when it is used.

    run: ``(Request, Progress) -> Outcome``. preview: ``(Request) -> Preview``; it needs no torch.
    """

    run: str
    preview: str


BENCHMARK = "benchmark"
KINDS = {BENCHMARK: Kind("nova_bench.run:run_benchmark", "nova_bench.preview:preview_benchmark")}


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


def _imported(path: str) -> Callable[..., Any]:
    module, _, function = path.partition(":")
    return getattr(import_module(module), function)
