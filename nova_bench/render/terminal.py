"""Tables on a terminal (rich), and as plain text elsewhere."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nova_bench.render.grid import Grid, GridCell, GridColumn, clean_text, layout
from nova_bench.render.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.text import Text

PLAIN_WIDTH = 160
WORD_WIDTH = 26  # longer words may be broken
HEADING_WIDTH = 30  # longer headings of groups may be broken
GAP = 2  # one blank of padding and one of rich's divider


@dataclass(frozen=True)
class TerminalTable:
    """A rich renderable: ``rich.console.Console().print(TerminalTable(table))``.

    Columns share the available width. If even their longest words don't fit, each row is printed as a list, so that a
    narrow terminal hides no number. Cell text is never read as markup.
    """

    table: Table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        from rich.text import Text

        grid = layout(self.table)
        widths = _widths(grid, options.max_width)
        yield Text(clean_text(self.table.title), style="bold")
        if self.table.caption:
            yield Text(clean_text(self.table.caption), style="dim")
        yield Text()
        yield from _columns(grid, widths) if widths else _records(grid)
        yield Text()
        yield from (Text(f"[{mark}] {text}", style="dim") for mark, text in grid.footnotes)
        yield from (Text(clean_text(note), style="dim") for note in self.table.notes)


def plain_text(table: Table, width: int = PLAIN_WIDTH) -> str:
    """The same table without colour or escape codes, at most ``width`` columns wide, for logs and pipes."""
    return _printed(table, width, color=False)


def ansi_text(table: Table, width: int = PLAIN_WIDTH) -> str:
    """The same table with ANSI styles, for a log viewer that understands them."""
    return _printed(table, width, color=True)


def _printed(table: Table, width: int, color: bool) -> str:
    from rich.console import Console

    written = io.StringIO()
    console = Console(
        file=written,
        width=width,
        force_terminal=color,
        color_system="standard" if color else None,
        legacy_windows=False,
        highlight=False,
        emoji=False,
        markup=False,
        _environ={},
    )
    console.print(TerminalTable(table))
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines()).strip("\n") + "\n"


def _widths(grid: Grid, room: int) -> list[int] | None:
    """The width of each column, between its longest word and its longest text; None if the words don't fit."""
    from rich.cells import cell_len

    least, most = [], []
    for index, column in enumerate(grid.columns):
        texts = [_heading(column).plain, *(_text(cells[index]).plain for _, cells in grid.rows)]
        words = [word for text in texts for word in text.split()]
        most.append(max(map(cell_len, texts)))
        least.append(min(WORD_WIDTH, max(map(cell_len, words), default=1)))
    if grid.rows:  # group headings are in the first column
        headings = [cell_len(heading) for heading, _ in grid.rows if heading]
        most[0] = max([most[0], *headings])
        least[0] = max([least[0], *(min(length, HEADING_WIDTH) for length in headings)])
    spare = room - sum(least) - GAP * len(least)
    wanted = [high - low for low, high in zip(least, most, strict=True)]
    if spare < 0:
        return None
    share = min(1.0, spare / (sum(wanted) or 1))
    return [low + int(share * more) for low, more in zip(least, wanted, strict=True)]


def _columns(grid: Grid, widths: list[int]) -> Iterator[RenderableType]:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    body = RichTable(box=box.SIMPLE_HEAD, padding=(0, GAP - 1, 0, 0), show_edge=False, header_style="bold")
    for column, width in zip(grid.columns, widths, strict=True):
        style = "cyan" if column.published else None
        body.add_column(_heading(column), justify=column.align, style=style, overflow="fold", width=width)
    group = None
    for heading, cells in grid.rows:
        if heading != group:
            group = heading
            body.add_row(Text(heading or "", style="italic"), *[""] * (len(cells) - 1))
        body.add_row(*(_text(cell) for cell in cells))
    yield body


def _records(grid: Grid) -> Iterator[RenderableType]:
    from rich.text import Text

    group = None
    for heading, cells in grid.rows:
        yield Text(heading if heading and heading != group else "", style="italic")
        group = heading
        for column, cell in zip(grid.columns, cells, strict=True):
            if cell.text and not (cell.missing and not cell.marks):  # a dash without a reason has no information
                yield Text("  ").append(_heading(column)).append(": ").append(_text(cell))


def _heading(column: GridColumn) -> Text:
    from rich.text import Text

    return Text(" ".join(filter(None, (column.title, column.arrow))) + _marks(column.marks))


def _text(cell: GridCell) -> Text:
    from rich.text import Text

    text = Text(cell.text, style="bold" if cell.strong else "underline" if cell.underlined else "")
    if cell.extra:
        text.append(f" ({cell.extra})", style="not bold dim")
    text.append(_marks(cell.marks), style="not bold dim")
    return text


def _marks(marks: tuple[str, ...]) -> str:
    return "".join(f" [{mark}]" for mark in marks)
