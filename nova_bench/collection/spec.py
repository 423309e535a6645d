"""What a collection says: suites in turn, each with what it changes. Knows nothing of files, models or torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from nova_bench.paths import SuitePath
from nova_bench.spec import SpecModel


class Part(SpecModel):
    """One suite of a collection."""

    title: str = Field(min_length=1)
    """Heading of this part, for example "C. Video extrapolation"."""
    suite: SuitePath
    """The suite file, of any kind but a collection."""
    set: dict[str, Any] = Field(default_factory=dict)
    """Values that differ from the file: dotted key -> value, as `--set` takes them."""
    model: str | None = None
    """What `--model` would say for this part alone. The suite's own model where absent."""
    takes_model: bool = True
    """Whether the collection's `--model` replaces this part's model, too."""
    limit: int | None = Field(default=None, ge=1)
    """Only the first samples of the part's plan, as `--limit`."""


class Collection(SpecModel):
    """Suites that are run in turn and shown on one page."""

    kind: Literal["collection"]
    """Which kind of suite this is: several suites, one after the other."""
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
    """Short name: lower-case letters, digits, - and _. Names the report's folder."""
    title: str
    """Title of the report."""
    description: str = ""
    """What the parts are for, in a sentence or two."""
    parts: tuple[Part, ...] = Field(min_length=1)
    """The suites, in order."""
