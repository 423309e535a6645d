"""What a run of a collection would do, part by part. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from nova_bench.core.errors import StoreError, UserError
from nova_bench.core.progress import Progress
from nova_bench.core.visible_text import visible_line
from nova_bench.experiments.base import Preview, Request
from nova_bench.experiments.collection.load import load_collection
from nova_bench.experiments.registry import preview_request
from nova_bench.pipeline.run_time import Device


@dataclass(frozen=True)
class Nothing:
    """A part that no suite computes. A plan is complete without it."""

    needs: str
    missing_assets: tuple[str, ...] = ()

    def seconds_left(self, device: Device) -> float:
        """Nothing is done."""
        return 0.0

    def text(self) -> str:
        """For people."""
        return f"not computed: {self.needs}"


@dataclass(frozen=True)
class CollectionPreview:
    """The parts' previews by title, or the error that prevents one."""

    name: str
    parts: tuple[tuple[str, Preview | Nothing | UserError], ...]

    @property
    def missing_assets(self) -> tuple[str, ...]:
        """What any part lacks, each thing once."""
        lines: dict[str, None] = {}
        for title, part in self.parts:
            lines |= dict.fromkeys([f"{title}: {part}"] if isinstance(part, UserError) else part.missing_assets)
        return tuple(lines)

    @property
    def summary(self) -> str:
        """How much there is to do, in a few words."""
        return f"{len(self.parts)} parts"

    def seconds_left(self, device: Device) -> float:
        """Of all parts."""
        return sum(part.seconds_left(device) for _, part in self.parts if not isinstance(part, UserError))

    def text(self) -> str:
        """For display: what each part would do, one after the other."""
        lines = []
        for title, part in self.parts:
            lines += [
                title,
                "=" * len(title),
                visible_line(f"not computed: {part}") if isinstance(part, UserError) else part.text(),
            ]
            lines.append("")
        return "\n".join(lines).rstrip()


def preview_collection(request: Request, progress: Progress) -> CollectionPreview:
    """Preview every part. Raises UserError if none can be run."""
    collection, requests = load_collection(request)
    parts: list[tuple[str, Preview | Nothing | UserError]] = []
    for part, wanted in zip(collection.parts, requests, strict=True):
        if wanted is None:
            parts.append((part.title, Nothing(part.not_computed)))
            continue
        try:
            parts.append((part.title, preview_request(wanted, progress)))
        except StoreError:
            raise
        except UserError as error:
            parts.append((part.title, error))
    errors = [found for _, found in parts if isinstance(found, UserError)]
    if len(errors) == sum(wanted is not None for wanted in requests):
        raise errors[0]
    return CollectionPreview(collection.name, tuple(parts))
