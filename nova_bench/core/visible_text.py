"""Foreign text made harmless to look at: what could drive a terminal or reorder a line is shown as an escape."""

from __future__ import annotations

import re

# Controls but tab and line feed (C0, DEL, C1), bidirectional marks, overrides and isolates, the separators that count
# as line ends, lone surrogates, and the two code points that are no characters.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def visible(text: str) -> str:
    r"""``text`` with control characters as escapes: ``\x1b``, ``\r``, ``\u202e``. Tabs and line ends stay.

    Whatever is printed, logged or put into a report passes through here, so that a file's name, a prompt or a value of
    a suite can neither clear a screen nor hide what stands beside it. The result can be encoded as UTF-8.
    """
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def visible_line(text: str) -> str:
    r"""``visible`` text of one line: a line end is shown as ``\n``, so that no name begins a line of its own."""
    return visible(text).replace("\n", "\\n")
