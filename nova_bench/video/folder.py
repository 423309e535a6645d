"""Finds the videos or images in a folder, and lists every other entry with the reason why it is left out."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from nova_bench.core.notices import listed
from nova_bench.core.visible_text import visible

HIDDEN = "hidden"
TYPE = "of an unsupported type"
BROKEN_LINK = "broken link"
LOOP = "link to a folder that is already searched"
UNREADABLE = "folder that can't be read"
NO_TEXT = "name that is not UTF-8"
SPECIAL = "neither file nor folder"
SUFFIXES_NAMED = 5


@dataclass
class FolderListing:
    """The contents of a folder, including sub-folders and linked folders; paths are relative to it and in order.

    ``files`` have one of the requested suffixes. They include broken links and pipes of such a name: each is a sample
    that fails, not one that never existed. ``left_out`` has every other entry with its reason; the contents of a folder
    that is left out aren't listed separately.
    """

    folder: Path
    files: list[Path] = field(default_factory=list)
    left_out: dict[Path, str] = field(default_factory=dict)

    def sentence(self, what: str) -> str:
        """``3 of 9 entries WHAT: ...``, for a folder with entries that are left out."""
        return f"{len(self.left_out)} of {len(self.files) + len(self.left_out)} entries {what}: {self.summary()}"

    def summary(self) -> str:
        """How many entries are left out for each reason, with the first few names; empty if there are none."""
        counts = Counter(self.left_out.values())
        return ", ".join(f"{count} {self._reason(reason)} ({self._names(reason)})" for reason, count in counts.items())

    def reasons(self) -> list[str]:
        """Every entry that is left out, with its reason."""
        return [f"{path}: {reason}" for path, reason in self.left_out.items()]

    def _names(self, reason: str) -> str:
        return listed([visible(str(path)) for path, why in self.left_out.items() if why == reason])

    def _reason(self, reason: str) -> str:
        if reason != TYPE:
            return reason
        suffixes = Counter(p.suffix.lower() or "no suffix" for p, why in self.left_out.items() if why == TYPE)
        named = [visible(suffix) for suffix, _ in suffixes.most_common(SUFFIXES_NAMED)]
        return f"{TYPE}: {' '.join(named)}{' ...' if len(suffixes) > len(named) else ''}"


def list_media(folder: Path, suffixes: Collection[str], without: Path | None = None) -> FolderListing:
    """Search a folder for files with one of ``suffixes`` (lower case; names may be in any).

    Links to folders are followed. Each folder is entered once, however many links lead to it, its own place first;
    ``without`` is a folder inside that isn't part of it. Raises OSError if ``folder`` itself can't be read.
    """
    listing = FolderListing(folder)
    seen = {_identity(place) for place in (folder.resolve(), *folder.resolve().parents)}
    apart = _identity(without) if without is not None else None
    linked = _search(listing, Path(), suffixes, seen, apart)
    while linked:
        linked = [
            further
            for place in linked
            if _enter(listing, place, seen, apart)
            for further in _search(listing, place, suffixes, seen, apart)
        ]
    listing.files.sort()
    listing.left_out = dict(sorted(listing.left_out.items()))
    return listing


def _search(
    listing: FolderListing, inside: Path, suffixes: Collection[str], seen: set[tuple[int, int]], apart: object
) -> list[Path]:
    """Search one folder and its real sub-folders; returns links to folders, to be entered later."""
    linked: list[Path] = []
    waiting = [inside]
    while waiting:
        place = waiting.pop()
        try:
            entries = sorted(os.scandir(listing.folder / place), key=lambda entry: entry.name)
        except OSError:
            if place == Path():
                raise
            listing.left_out[place] = UNREADABLE
            continue
        for entry in entries:
            path = place / entry.name
            kind = _kind(entry)
            if not _is_text(entry.name):
                listing.left_out[path] = NO_TEXT
            elif entry.name.startswith("."):
                listing.left_out[path] = HIDDEN
            elif kind == "folder" and entry.is_symlink():
                linked.append(path)
            elif kind == "folder":
                if _enter(listing, path, seen, apart):
                    waiting.append(path)
            elif path.suffix.lower() in suffixes:
                listing.files.append(path)
            else:
                listing.left_out[path] = {"file": TYPE, "nothing": BROKEN_LINK}.get(kind, SPECIAL)
    return linked


def _is_text(name: str) -> bool:
    """Whether a name can be stored and shown: its bytes are text in the system's encoding."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _kind(entry: os.DirEntry) -> str:
    """The type of an entry, or of what it links to: ``folder``, ``file``, ``special`` or ``nothing``."""
    try:
        mode = entry.stat().st_mode
    except OSError:
        return "nothing" if entry.is_symlink() else "special"
    if stat.S_ISDIR(mode):
        return "folder"
    return "file" if stat.S_ISREG(mode) else "special"


def _enter(listing: FolderListing, place: Path, seen: set[tuple[int, int]], apart: object) -> bool:
    """Whether to search a folder: not if it was searched before, and not if it isn't part of this one."""
    try:
        identity = _identity(listing.folder / place)
    except OSError:
        listing.left_out[place] = UNREADABLE
        return False
    if identity == apart:
        return False
    if identity in seen:
        listing.left_out[place] = LOOP
        return False
    seen.add(identity)
    return True


def _identity(folder: Path) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino
