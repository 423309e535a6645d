"""Code blocks of the README and of docs/, and the commands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/*.md")])
_BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:^    \S[^\n]*\n)+", re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    """The fenced code blocks of a page in that language; "" for commands."""
    return [text for found, text in _BLOCK.findall(page.read_text(encoding="utf-8")) if found == language]


def commands() -> Iterator[tuple[str, str]]:
    """(page, command) for each line that a reader may type: continued lines joined, comments left out, && split."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        lines = "\n".join([*blocks(page, ""), *blocks(page, "sh"), *_INDENTED.findall(_BLOCK.sub("", text))])
        for line in re.sub(r"\\\n\s*", "", lines).splitlines():
            for part in re.split(r"\s+&&\s+", re.sub(r"(^|\s)#.*", "", line).strip()):
                if re.match(r"(\S*/)?(nova_bench|python|pip|make|mkdocs)\s", f"{part} ") and "─" not in part:
                    yield page.name, part


def words(command: str) -> list[str] | None:
    """The arguments of a command of nova_bench; None for another program's."""
    parts = shlex.split(command)
    if parts[0].endswith("nova_bench"):
        return parts[1:]
    return parts[3:] if parts[0].endswith("python") and parts[1:3] == ["-m", "nova_bench"] else None
