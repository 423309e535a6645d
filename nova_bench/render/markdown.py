"""Tables as GitHub-flavoured Markdown."""

from __future__ import annotations

import re

from nova_bench.render.grid import GridCell, clean_text, layout
from nova_bench.render.table import Table

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~$&#!])")


def markdown_table(table: Table) -> str:
    """Heading, caption, table and footnotes. Foreign text is escaped, so it can add neither markup nor columns."""
    from tabulate import tabulate

    grid = layout(table)
    headings = [" ".join(filter(None, (escape_markdown(c.title), c.arrow))) + _marks(c.marks) for c in grid.columns]
    body, group = [], None
    for heading, cells in grid.rows:
        if heading != group:
            group = heading
            body.append([f"**{escape_markdown(heading)}**" if heading else "", *[""] * (len(cells) - 1)])
        body.append([_text(cell) for cell in cells])
    aligns = [column.align for column in grid.columns] if body else None
    text = tabulate(body, headings, tablefmt="pipe", disable_numparse=True, colalign=aligns)
    parts = [f"### {escape_markdown(clean_text(table.title))}"]
    if table.caption:
        parts.append(escape_markdown(clean_text(table.caption)))
    parts.append(text)
    lines = [f"<sup>{mark}</sup> {escape_markdown(note)}" for mark, note in grid.footnotes]
    lines += [escape_markdown(clean_text(note)) for note in table.notes]
    if lines:
        parts.append("  \n".join(lines))
    return "\n\n".join(parts) + "\n"


def escape_markdown(text: str) -> str:
    """``text`` with every character that GitHub could read as markup escaped."""
    return _SPECIAL.sub(r"\\\1", text)


def _marks(marks: tuple[str, ...]) -> str:
    return f" <sup>{','.join(marks)}</sup>" if marks else ""


def _text(cell: GridCell) -> str:
    text = cell.text if cell.numeric else escape_markdown(cell.text)
    if cell.strong:
        text = f"**{text}**"
    elif cell.underlined:
        text = f"<ins>{text}</ins>"
    elif cell.published:
        text = f"_{text}_" if not cell.missing else text
    return text + (f" ({cell.extra})" if cell.extra else "") + _marks(cell.marks)
