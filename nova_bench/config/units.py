"""The samples of a plan: one to generate (:class:`Unit`), or one that already exists (:class:`ExistingSample`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from nova_bench.config.metadata import Metadata


@dataclass(frozen=True)
class Unit:
    """One sample to generate: everything that determines it, and a digest of that.

    ``digest`` covers the adapter's own digest, the sampling settings, the prompt as given to the model, the first
    frame, the sample index and the seed, and also the reference if the adapter makes samples from it. Tags, labels and
    metadata are for scoring and are not included.
    """

    digest: str
    prompt_id: str
    prompt: str
    model_text: str
    sample_index: int
    seed: int
    tags: tuple[str, ...] = ()
    source: str | None = None
    """File that already contains this sample (`files` adapter)."""
    content_digest: str = ""
    """SHA-256 of that file's bytes; empty if there is no such file."""
    image: str | None = None
    """First frame (image-to-video)."""
    reference: str | None = None
    """Ground truth, for scorers that need it."""
    reference_digest: str = ""
    """SHA-256 of the reference's bytes; empty without a reference, ``missing`` if it can't be read."""
    metadata: Metadata = field(default_factory=Metadata)
    """What scorers read about the prompt besides its text."""
    imported: bool = False
    """Its scores come from a results file, which names the video ``source``: shown, never opened. Its rows belong to
    ``content_digest``; it has no artifact."""

    @property
    def is_rewritten(self) -> bool:
        """Whether the model was given another text than the prompt."""
        return self.model_text != self.prompt


@dataclass(frozen=True)
class ExistingSample:
    """A video or image from elsewhere; ``path`` is None if the suite asks for it but it is missing."""

    path: str | None
    prompt: str
    sample_index: int = 0
    reference: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Metadata = field(default_factory=Metadata)
    model_text: str = ""
    """What the model was given, if the suite states it and it is another text than the prompt."""

    @property
    def there(self) -> Path:
        """The path of a sample that exists."""
        assert self.path is not None, f"no file for sample {self.sample_index} of {self.prompt!r}"
        return Path(self.path)
