"""Hook of mkdocs: links to files outside docs/, which the repository shows and the site doesn't have, become names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Replace each link to a file outside docs/ by its text and the file's path."""
    here = (DOCS / page.file.src_uri).parent

    def shown(link: re.Match[str]) -> str:
        text, address = link[1], link[2]
        if re.match(r"\w+:", address):
            return link[0]
        target = (here / address).resolve()
        if target.is_relative_to(DOCS) and target.suffix == ".md":
            return link[0]
        path = target.relative_to(DOCS.parent)
        if not target.exists():
            raise FileNotFoundError(f"{page.file.src_uri}: {address}")
        return f"`{path}`" if text.strip("`") == str(path) else f"{text} (`{path}`)"

    return LINK.sub(shown, markdown)
