"""One table as an HTML fragment: structure only, without style or script, so that the page decides how it looks."""

from __future__ import annotations

from html import escape

from nova_bench.render.files import safe_name
from nova_bench.render.grid import GridCell, GridColumn, clean_text, layout
from nova_bench.render.table import Table

_DIRECTION = {"↑": "higher is better", "↓": "lower is better"}


def html_table(table: Table, suffix: str = "") -> str:
    """A ``figure`` with the caption, the table in its own scroll box, and the footnotes. All text is escaped.

    ``suffix`` ends its id, which is the table's own, on a page that has several of that id. Numeric cells have
    ``data-sort`` at full precision; missing cells don't.
    """
    grid = layout(table)
    anchor = f"table-{safe_name(table.id)}{suffix}"
    parts = [
        f'<figure class="table" id="{escape(anchor)}" aria-labelledby="{escape(anchor)}-title">',
        f'<figcaption><strong id="{escape(anchor)}-title">{escape(clean_text(table.title))}</strong>',
        f"<span>{escape(clean_text(table.caption))}</span>" if table.caption else "",
        f'</figcaption><div class="scroll" tabindex="0" role="region" {_named(table, anchor, suffix)}>',
        "<table><thead><tr>",
        *(_heading(column) for column in grid.columns),
        "</tr></thead>",
    ]
    group, opened = None, False
    for heading, cells in grid.rows:
        if heading != group or not opened:
            parts.append("</tbody><tbody>" if opened else "<tbody>")
            opened = True
            if heading:
                opening = f'<tr class="group"><th colspan="{len(grid.columns)}" scope="rowgroup">'
                parts.append(f"{opening}<span>{escape(heading)}</span></th></tr>")
            group = heading
        parts += ["<tr>", *(_cell(cell, grid.columns[at], at == 0) for at, cell in enumerate(cells)), "</tr>"]
    parts.append("</tbody></table></div>" if opened else "<tbody></tbody></table></div>")
    notes = [f"<li><sup>{mark}</sup> {escape(text)}</li>" for mark, text in grid.footnotes]
    notes += [f"<li>{escape(clean_text(note))}</li>" for note in table.notes]
    if notes:
        parts.append(f'<ul class="footnotes">{"".join(notes)}</ul>')
    parts.append("</figure>")
    return "".join(parts) + "\n"


def _named(table: Table, anchor: str, suffix: str) -> str:
    """The name of a table's region: its title, with a number if it is not the first of that title."""
    if not suffix:
        return f'aria-labelledby="{escape(anchor)}-title"'
    return f'aria-label="{escape(clean_text(table.title))}, {suffix.lstrip("-")}"'


def _heading(column: GridColumn) -> str:
    flags = {"num": column.align == "right", "published": column.published, "total": column.total}
    classes = " ".join(name for name, on in flags.items() if on)
    arrow = f' <abbr title="{_DIRECTION[column.arrow]}">{column.arrow}</abbr>' if column.arrow else ""
    return f'<th scope="col"{_class(classes)}>{escape(column.title)}{arrow}{_marks(column.marks)}</th>'


def _cell(cell: GridCell, column: GridColumn, first: bool) -> str:
    flags = {
        "num": column.align == "right",
        "strong": cell.strong,
        "second": cell.underlined,
        "missing": cell.missing,
        "published": cell.published,
        "total": column.total,
    }
    classes = " ".join(name for name, on in flags.items() if on)
    sort = f' data-sort="{cell.sort!r}"' if cell.sort is not None else ""
    text = escape(cell.text).replace("_", "_<wbr>")  # a metric's name may break after an underscore
    if cell.text in _DIRECTION:
        text = f'<abbr title="{_DIRECTION[cell.text]}">{text}</abbr>'
    extra = f" <small>{escape(cell.extra)}</small>" if cell.extra else ""
    opening, closing = ('th scope="row"', "th") if first and column.label else ("td", "td")
    return f"<{opening}{_class(classes)}{sort}>{text}{_marks(cell.marks)}{extra}</{closing}>"


def _class(names: str) -> str:
    return f' class="{names}"' if names else ""


def _marks(marks: tuple[str, ...]) -> str:
    return f"<sup>{','.join(marks)}</sup>" if marks else ""
