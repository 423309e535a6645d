"""Paths as a report shows them: relative to the store or the model's folder, so that no page shows absolute paths."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from nova_bench.config.units import Unit
from nova_bench.core.notices import Notice
from nova_bench.store import Artifact, FailedUnit, Row

Key = TypeVar("Key")
# The records of a store that was moved name its files by the old place.
_ARTIFACT = re.compile(r"/[^\s:'\"]*?/(artifacts/[0-9a-f]{2}/[0-9a-f]{64}\.\w+)")


class Places:
    """What replaces the folders of a run's files: nothing for the store, its name for any other folder."""

    def __init__(self, store: Path, units: Iterable[Unit]):
        units = list(units)
        kinds = ({u.source for u in units}, {u.reference for u in units}, {u.image for u in units})
        folders = {_common([path for path in paths if path and os.path.isabs(path)]) for paths in kinds}
        self._short = {f"{place}/": "" for place in (store.absolute(), store.resolve())}
        self._short |= {str(folder): folder.name for folder in folders if folder and folder.name}

    def text(self, text: str) -> str:
        """A message without the places."""
        if "/" not in text:
            return text
        for place in sorted(self._short, key=len, reverse=True):
            text = text.replace(place, self._short[place])
        return _ARTIFACT.sub(r"\1", text)

    def file(self, path: Path | str) -> str:
        """A file's path; only its folder's name and its own if it is outside all known folders."""
        shown = self.text(str(path))
        return "/".join(("…", *Path(shown).parts[-2:])) if os.path.isabs(shown) else shown

    def artifacts(self, found: Mapping[Key, Artifact | FailedUnit]) -> dict[Key, Artifact | FailedUnit]:
        """Artifacts with errors as they are shown."""
        return {
            key: replace(made, error=self.text(made.error)) if isinstance(made, FailedUnit) else made
            for key, made in found.items()
        }

    def rows(self, rows: Mapping[Key, Row]) -> dict[Key, Row]:
        """Rows with messages as they are shown."""
        return {key: replace(row, message=self.text(row.message)) if row.message else row for key, row in rows.items()}

    def notices(self, notices: Iterable[Notice]) -> list[Notice]:
        """Notices with texts and names as they are shown."""
        return [
            replace(notice, text=self.text(notice.text), names=tuple(map(self.text, notice.names)), said=notice.text)
            for notice in notices
        ]


def _common(paths: list[str]) -> Path | None:
    return Path(os.path.commonpath([os.path.dirname(path) for path in paths])) if paths else None
