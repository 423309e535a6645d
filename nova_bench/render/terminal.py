"""Tables on a terminal (rich) and as plain text where there is none."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from nova_bench.render.grid import GridCell, clean_text, layout
from nova_bench.render.table import Table

if TYPE_CHECKING:
    from rich.console import Group
    from rich.text import Text

PLAIN_WIDTH = 160


def terminal_table(table: Table) -> Group:
    """A rich renderable: ``rich.console.Console().print(terminal_table(table))``. Cell text is never read as markup."""
    from rich import box
    from rich.console import Group
    from rich.table import Table as RichTable
    from rich.text import Text

    grid = layout(table)
    body = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left", header_style="bold")
    for column in grid.columns:
        heading = " ".join(filter(None, (column.title, column.arrow)))
        style = "cyan" if column.published else None
        body.add_column(Text(heading + _marks(column.marks)), justify=column.align, style=style, overflow="fold")
    group = None
    for heading, cells in grid.rows:
        if heading != group:
            group = heading
            body.add_row(Text(heading or "", style="italic"), *[""] * (len(cells) - 1))
        body.add_row(*(_text(cell) for cell in cells))
    parts: list[object] = [Text(clean_text(table.title), style="bold")]
    if table.caption:
        parts.append(Text(clean_text(table.caption), style="dim"))
    parts.append(body)
    parts += [Text(f"[{mark}] {text}", style="dim") for mark, text in grid.footnotes]
    parts += [Text(clean_text(note), style="dim") for note in table.notes]
    return Group(*parts)


def plain_text(table: Table, width: int = PLAIN_WIDTH) -> str:
    """The same table without colour or escape codes, at most ``width`` columns wide, for logs and pipes."""
    return _printed(table, width, color=False)


def ansi_text(table: Table, width: int = PLAIN_WIDTH) -> str:
    """The same table with ANSI styles, for a log viewer that understands them."""
    return _printed(table, width, color=True)


def _printed(table: Table, width: int, color: bool) -> str:
    from rich.console import Console

    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=color,
        color_system="standard" if color else None,
        legacy_windows=False,
        highlight=False,
        emoji=False,
        markup=False,
        _environ={},
    )
    console.print(terminal_table(table))
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()).strip("\n") + "\n"


def _marks(marks: tuple[str, ...]) -> str:
    return "".join(f" [{mark}]" for mark in marks)


def _text(cell: GridCell) -> Text:
    from rich.text import Text

    text = Text(cell.text, style="bold" if cell.strong else "")
    if cell.extra:
        text.append(f" ({cell.extra})", style="not bold dim")
    text.append(_marks(cell.marks), style="not bold dim")
    return text
