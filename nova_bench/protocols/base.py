"""The two extension points of a benchmark's protocol: its prompts, and the computation of its final scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import numpy as np

    from nova_bench.config.suite import PromptEntry

    Number = TypeVar("Number", float, np.ndarray)
    """What :meth:`Composite.value` computes with: floats, or arrays with one number per bootstrap resample."""


@dataclass(frozen=True)
class PromptSource:
    """A benchmark's own prompt list. ``factory`` is ``"module:function"``, imported when prompts are read.

    The function gets ``asset(name)``, which returns a verified local path or raises
    :class:`nova_bench.core.errors.MissingAsset`, and ``notice(text, names)``, which reports faults of the list. It
    returns every entry in the benchmark's order, tagged with the
    metrics that use it, with the number of samples that the benchmark asks for, and with the metadata that its scorers
    read. Duplicate entries are merged.
    """

    name: str
    summary: str
    factory: str
    assets: tuple[str, ...] = ()
    suite_for_other_videos: str = ""
    """Suite with the benchmark's metrics that need no prompt of this list; empty if there is none."""

    def read(self, asset: Callable[[str], Path], notice: Callable[..., None]) -> Sequence[PromptEntry]:
        """All prompts. MissingAsset or UserError if the list isn't here or can't be read."""
        return resolve_name(self.factory)(asset, notice)


@dataclass(frozen=True)
class ResultRow:
    """One video's score in a results file. ``path`` is how the file names the video; on import it is never opened.

    ``value`` is None if the score isn't a finite number. ``weight`` and ``details`` are those of the scorer's rows.
    """

    path: str
    value: float | None
    weight: float = 1.0
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StatedResult:
    """One metric of a results file: its aggregate (None if that isn't a finite number), and its videos."""

    metric: str
    value: float | None
    rows: tuple[ResultRow, ...]


@dataclass(frozen=True)
class ResultsFile:
    """The files in which a benchmark's own tools keep their results.

    ``ending`` of their names; ``suite`` has the final scores and published numbers that go with them. ``read(text)``
    returns the metrics, none for another kind of JSON, and raises ValueError with the fault. ``write(results)`` returns
    the text, empty if no metric belongs into such a file.
    """

    title: str
    """The benchmark's name."""
    ending: str
    suite: str
    read: Callable[[str], list[StatedResult]]
    write: Callable[[Sequence[StatedResult]], str]


@dataclass(frozen=True)
class FileNames:
    """How a benchmark's own tools expect files to be named: ``file_name(prompt, index, suffix)``.

    It raises ValueError, with the reason, if no file can be named after the sample. ``results`` names the
    :class:`ResultsFile` of these tools as ``"module:attribute"``; empty if there is none.
    """

    name: str
    summary: str
    file_name: Callable[[str, int, str], str]
    results: str = ""
    grids: bool = False
    """Whether each four images of a prompt are tiles of one file: ``file_name(item, number, suffix)``."""

    def results_file(self) -> ResultsFile | None:
        """The results files of these tools; None if there are none."""
        return resolve_name(self.results) if self.results else None


@dataclass(frozen=True)
class Part:
    """One metric's share of a derived one: ``(value - low) / (high - low)``, with ``weight``."""

    metric: str
    low: float = 0.0
    high: float = 1.0
    weight: float = 1.0


@dataclass(frozen=True)
class Threshold:
    """The least value with which a benchmark's own rule accepts a model: a share of what ``reference`` reached."""

    least: float
    reference: float
    rule: str
    """Whose rule it is, for example "MLPerf Inference"."""
    source: str


@dataclass(frozen=True)
class Composite:
    """The weighted mean of normalized metrics, times ``scale``; a part may itself be a composite.

    ``range`` holds if each part is between its ``low`` and ``high``; nothing is clipped. The value is linear in its
    parts, so a bootstrap resample of the parts' means gives one of the composite. ``longer`` says what the benchmark
    does with videos of ``longest`` seconds or more, if that is something else.
    """

    name: str
    summary: str
    parts: tuple[Part, ...]
    source: str
    unit: str = ""
    range: tuple[float | None, float | None] = (0.0, 1.0)
    higher_is_better: bool = True
    digits: int = 4
    scale: float = 1.0
    threshold: Threshold | None = None
    longest: float = 0.0
    longer: str = ""

    def value(self, parts: Mapping[str, Number]) -> Number:
        """From the values of all parts. KeyError if one is missing."""
        terms = [(parts[part.metric] - part.low) * (part.weight / (part.high - part.low)) for part in self.parts]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total * (self.scale / sum(part.weight for part in self.parts))
