"""A collection as the store keeps it: what its page is rebuilt from."""

from __future__ import annotations

from typing import Literal

from nova_bench.config.fields import SpecModel
from nova_bench.core.identity import digest
from nova_bench.experiments.collection.spec import PublishedTable
from nova_bench.store.store import StoredRun, stored_run


class PartRecord(SpecModel):
    """One part: the run that it was, or the problem that prevented it."""

    title: str
    """Heading."""
    run: str
    """Id of its run in the same store; empty where there is none."""
    problem: str
    """Why there is none; empty where there is one."""
    not_computed: str = ""
    """What this part would need, where no suite computes it."""
    published: PublishedTable | None = None
    """Published numbers that are shown with it."""


class CollectionRecord(SpecModel):
    """A collection that was run."""

    kind: Literal["collection"] = "collection"
    """Tells it from the records of other kinds."""
    name: str
    """The collection's name."""
    title: str
    """Title of the page."""
    description: str
    """What the parts are for."""
    parts: tuple[PartRecord, ...]
    """All parts, in order."""

    @property
    def run_id(self) -> str:
        """The same whenever the parts were the same runs."""
        stated = [part.model_dump(mode="json", include={"title", "not_computed", "published"}) for part in self.parts]
        return digest("collection", [self.name, [[part.title, part.run] for part in self.parts], stated])

    @property
    def run_name(self) -> str:
        """Name of the page's folder."""
        return f"{self.name}-{self.run_id[:6]}"

    def stored(self) -> StoredRun:
        """As the store takes it."""
        return stored_run(self.run_id, self.run_name, self.model_dump(mode="json"), [], [])
