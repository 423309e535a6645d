"""What a kind of suite is: its description, the request that the command line makes, and the preview of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from nova_bench.pipeline.run_time import Device


@dataclass(frozen=True)
class Experiment:
    """A kind of suite. Each part is named ``"module:name"`` and imported when it is used.

    spec: the pydantic model of such a suite. run: ``(Request, Progress) -> Reported``. preview:
    ``(Request, Progress) -> Preview``; it needs no torch. report: ``(StoredRun, Store, folder, Progress) -> Reported``;
    it needs no model. frame: ``(StoredRun, Store) -> pandas.DataFrame``, one row per measurement. A run in the store is
    of the kind that its ``suite["kind"]`` says.
    """

    name: str
    spec: str
    run: str
    preview: str
    report: str
    frame: str


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
        """Keys of a suite's sections that have options of their own, such as ("execution", "device")."""
        sections = {"execution": self.execution, "media": self.media}
        return {(name, key): value for name, section in sections.items() for key, value in section.items()}


class Preview(Protocol):
    """What a run would do."""

    missing_assets: Sequence[str]
    """One line for each asset that isn't here."""

    @property
    def summary(self) -> str:
        """How much there is to do, in a few words."""

    def seconds_left(self, device: Device) -> float:
        """How long that takes at least, as far as it is known."""

    def text(self) -> str:
        """The whole preview, for the terminal."""
