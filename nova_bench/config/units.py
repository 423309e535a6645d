"""The samples of a plan: one to make (:class:`Unit`), and one that exists already (:class:`ExistingSample`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from nova_bench.config.metadata import Metadata


@dataclass(frozen=True)
class Unit:
    """One sample to make: everything that determines it, and the digest of all that.

    ``digest`` covers the adapter's own digest, the sampling settings, the prompt as given to the model, the first
    frame, the sample index and the seed; the reference too, where the adapter makes samples from it. Tags, labels and
    metadata are for scoring and don't enter it.
    """

    digest: str
    prompt_id: str
    prompt: str
    model_text: str
    sample_index: int
    seed: int
    tags: tuple[str, ...] = ()
    source: str | None = None
    """File that already holds this sample (`files` adapter)."""
    content_digest: str = ""
    """SHA-256 of that file's bytes; empty where there is no such file."""
    image: str | None = None
    """First frame (image-to-video)."""
    reference: str | None = None
    """Ground truth, for scorers that need one."""
    reference_digest: str = ""
    """SHA-256 of the reference's bytes; empty without one, ``missing`` where it can't be read."""
    metadata: Metadata = field(default_factory=Metadata)
    """What scorers read of the prompt beside its text."""


@dataclass(frozen=True)
class ExistingSample:
    """A video or image that somebody else generated; ``path`` None where one that the suite asks for isn't there."""

    path: str | None
    prompt: str
    sample_index: int = 0
    reference: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Metadata = field(default_factory=Metadata)

    @property
    def there(self) -> Path:
        """The path of one that is there."""
        assert self.path is not None, f"no file for sample {self.sample_index} of {self.prompt!r}"
        return Path(self.path)
