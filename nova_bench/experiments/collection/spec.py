"""What a collection states: a sequence of suites, each with its changes. Independent of files, models and torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from nova_bench.config.fields import Count, SpecModel
from nova_bench.config.paths import SuitePath


class PublishedTable(SpecModel):
    """A published table, shown unchanged and labelled as published."""

    title: str
    """Title of the table."""
    source: str
    """Where it was published."""
    columns: tuple[str, ...] = Field(min_length=1)
    """Titles of its number columns."""
    rows: dict[str, tuple[float, ...]]
    """Label of each row -> its numbers, one per column."""

    @model_validator(mode="after")
    def _whole_rows(self) -> PublishedTable:
        for label, values in self.rows.items():
            if len(values) != len(self.columns):
                raise ValueError(f"row {label!r} has {len(values)} numbers for {len(self.columns)} columns")
        return self


class Part(SpecModel):
    """One suite of a collection, or a note on a part that no suite computes."""

    title: str = Field(min_length=1)
    """Heading of this part, for example "C. Video extrapolation"."""
    suite: SuitePath | None = None
    """The suite file, of any kind but a collection."""
    not_computed: str = ""
    """Instead of a suite: what computing this part would need."""
    published: PublishedTable | None = None
    """Published numbers to show with it."""
    results: SuitePath | None = None
    """Folder of tables and figures that were measured earlier, on more samples or on a GPU; shown with this part."""
    set: dict[str, Any] = Field(default_factory=dict)
    """Values that differ from the file: dotted key -> value, as `--set` takes them."""
    model: str | None = None
    """The `--model` of this part alone. Default: the suite's own model."""
    takes_model: bool = True
    """Whether the collection's `--model` replaces this part's model, too."""
    limit: Count | None = None
    """Only the first samples of the part's plan, like `--limit`."""

    @model_validator(mode="after")
    def _one_way(self) -> Part:
        if (self.suite is None) != bool(self.not_computed):
            raise ValueError("give either `suite` or `not_computed`")
        return self


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
    headline: str = ""
    """Title of the part whose first table a run prints; the others are on the page, and printed with `--verbose`.
    Default: the first part with a table."""
    reading: tuple[str, ...] = Field(default=(), max_length=3)
    """How to read that table: up to three sentences, a line each."""
    parts: tuple[Part, ...] = Field(min_length=1)
    """The suites, in order."""

    @model_validator(mode="after")
    def _known_headline(self) -> Collection:
        titles = [part.title for part in self.parts]
        if self.headline and self.headline not in titles:
            raise ValueError(f"headline: no part {self.headline!r}; parts: {', '.join(titles)}")
        return self
