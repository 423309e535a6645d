"""The store's record of a collection, from which its page is rebuilt."""

from __future__ import annotations

from typing import Literal

from nova_bench.config.fields import SpecModel
from nova_bench.core.identity import digest
from nova_bench.experiments.collection.earlier import EarlierResults
from nova_bench.experiments.collection.spec import PublishedTable
from nova_bench.store.store import StoredRun, stored_run


class PartRecord(SpecModel):
    """One part: its run, or the problem that prevented it."""

    title: str
    """Heading."""
    run: str
    """Id of its run in the same store; empty if there is none."""
    problem: str
    """Why there is no run; empty if there is one."""
    not_computed: str = ""
    """What this part would need, if no suite computes it."""
    published: PublishedTable | None = None
    """Published numbers to show with it."""
    earlier: EarlierResults | None = None
    """Tables and figures that were measured earlier."""
    earlier_problem: str = ""
    """Why these are missing, if the part names some."""


class CollectionRecord(SpecModel):
    """A collection that was run."""

    kind: Literal["collection"] = "collection"
    """Distinguishes it from the records of other kinds."""
    name: str
    """The collection's name."""
    title: str
    """Title of the page."""
    description: str
    """What the parts are for."""
    headline: str = ""
    """Title of the part with the table that a run prints; empty: the first one with a table."""
    reading: tuple[str, ...] = ()
    """How to read that table."""
    parts: tuple[PartRecord, ...]
    """All parts, in order."""

    @property
    def run_id(self) -> str:
        """Equal if and only if the parts are the same runs."""
        kept = {"title", "not_computed", "published", "earlier"}
        stated = [part.model_dump(mode="json", include=kept, exclude_none=True) for part in self.parts]
        return digest("collection", [self.name, [[part.title, part.run] for part in self.parts], stated])

    @property
    def run_name(self) -> str:
        """Name of the page's folder."""
        return f"{self.name}-{self.run_id[:6]}"

    def stored(self) -> StoredRun:
        """The record as the store takes it."""
        return stored_run(self.run_id, self.run_name, self.model_dump(mode="json"), [], [])
