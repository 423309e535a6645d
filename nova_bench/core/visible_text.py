"""Escapes characters in foreign text that could control a terminal or reorder a line."""

from __future__ import annotations

import re

# Control characters except tab and line feed (C0, DEL, C1), bidirectional marks, overrides and isolates, separators
# that count as line ends, lone surrogates, and the two noncharacters.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def visible(text: str) -> str:
    r"""``text`` with control characters as escapes: ``\x1b``, ``\r``, ``\u202e``. Tabs and line ends stay.

    Everything that is printed, logged or put into a report passes through here, so that a file name, a prompt or a
    suite's value can't clear a screen or hide the text beside it. The result can be encoded as UTF-8.
    """
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def visible_line(text: str) -> str:
    r"""``visible`` text on one line: a line end is shown as ``\n``, so that no name can begin a line of its own."""
    return visible(text).replace("\n", "\\n")
