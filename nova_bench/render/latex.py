"""Tables as LaTeX (booktabs) for pdflatex with the packages booktabs, graphicx and longtable."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from nova_bench.render.files import safe_name
from nova_bench.render.grid import Grid, GridCell, GridColumn, as_sure, clean_text, layout
from nova_bench.render.table import Table

_ASCII = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\char34{}",
    "`": r"\char96{}",
}
_SYMBOLS = {
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "−": "$-$",
    "‘": r"\textquoteleft{}",
    "’": r"\textquoteright{}",
    "“": r"\textquotedblleft{}",
    "”": r"\textquotedblright{}",
    "…": r"\ldots{}",
    "×": r"$\times$",
    "±": r"$\pm$",
    "·": r"$\cdot$",
    "•": r"\textbullet{}",
    "°": r"$^{\circ}$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "≈": r"$\approx$",
    "≠": r"$\ne$",
    "∞": r"$\infty$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "→": r"$\rightarrow$",
    "←": r"$\leftarrow$",
    "µ": r"$\mu$",
    "§": r"\S{}",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
}
_ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
}
_GREEK = {
    chr(code): rf"$\{name}$"
    for first, names in (
        (0x3B1, "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi - pi rho - sigma tau"),
        (0x3C5, "upsilon phi chi psi omega"),
        (0x393, "Gamma Delta - - - Theta - - Lambda - - Xi - Pi - - Sigma - Upsilon Phi - Psi Omega"),
    )
    for code, name in enumerate(names.split(), first)
    if name != "-"
}
LONG_LABEL = 36
LONG = 45
"""More rows don't fit on a page."""


def latex_table(table: Table) -> str:
    r"""A table to ``\input``; the preamble needs ``\usepackage{booktabs,graphicx,longtable}``.

    It is a float that is scaled down if it is wider than the line, or a ``longtable`` if it is taller than a page.
    Numbers have as many places as their intervals bear.
    """
    grid = layout(as_sure(table))
    tall = len(grid.rows) > LONG
    caption = [rf"\caption{{{_caption(table)}}}", rf"\label{{tab:{_label(table)}}}"]
    heading = [r"\toprule", _line(_heading(column) for column in grid.columns), r"\midrule"]
    if tall:
        lines = [r"{\small", rf"\begin{{longtable}}{{@{{}}{_column_types(grid)}@{{}}}}", *caption, r"\\"]
        lines += [*heading, r"\endfirsthead", *heading, r"\endhead"]
    else:
        lines = [r"\begin{table}[htbp]", r"\centering\small", *caption]
        lines += [r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"]
        lines += [rf"\begin{{tabular}}{{@{{}}{_column_types(grid)}@{{}}}}", *heading]
    lines += [*_rows(grid), r"\bottomrule", r"\end{longtable}" if tall else r"\end{tabular}}"]
    notes = [rf"\textsuperscript{{{mark}}}~{escape_latex(text)}" for mark, text in grid.footnotes]
    notes += [escape_latex(clean_text(note)) for note in table.notes]
    if notes:
        lines += [r"\par\smallskip", r"\begin{minipage}{\linewidth}\footnotesize\raggedright"]
        lines += [note + r"\par" for note in notes] + [r"\end{minipage}"]
    return (
        "\n".join([r"% needs \usepackage{booktabs,graphicx,longtable}", *lines, "}" if tall else r"\end{table}"]) + "\n"
    )


def _rows(grid: Grid) -> Iterator[str]:
    group = None
    for index, (heading, cells) in enumerate(grid.rows):
        if heading != group:
            group = heading
            if index:
                yield r"\addlinespace"
            if heading:
                yield rf"\multicolumn{{{len(cells)}}}{{@{{}}l}}{{\emph{{{escape_latex(heading)}}}}} \\"
        yield _line(_text(cell) for cell in cells)


def _label(table: Table) -> str:
    """The label, of which LaTeX takes letters, digits, and a few signs."""
    return ":".join(map(safe_name, (table.label or table.id).split(":")))


def escape_latex(text: str) -> str:
    """``text`` as LaTeX that prints it. A character without a glyph in pdflatex is written as its code, U+4E2D."""
    escaped = "".join(_escape(char) for char in text)
    return re.sub(r"([-'])(?=\1)", r"\1{}", escaped)  # keep -- and '' from becoming one glyph


def _escape(char: str) -> str:
    if char in _ASCII:
        return _ASCII[char]
    if " " <= char <= "~":
        return char
    for known in (_SYMBOLS, _GREEK):
        if char in known:
            return known[char]
    base, *accents = list(unicodedata.normalize("NFD", char))
    if base.isascii() and base.isalpha() and len(accents) == 1 and accents[0] in _ACCENTS:
        return rf"\{_ACCENTS[accents[0]]}{{{base}}}"
    return rf"\texttt{{U+{ord(char):04X}}}"


def _caption(table: Table) -> str:
    title = escape_latex(clean_text(table.title))
    return f"{title}. {escape_latex(clean_text(table.caption))}" if table.caption else title


def _column_types(grid: Grid) -> str:
    kinds = []
    for index, column in enumerate(grid.columns):
        longest = max((len(cells[index].text) for _, cells in grid.rows), default=0)
        wide = column.align == "left" and longest > LONG_LABEL
        kinds.append(r"p{0.32\linewidth}" if wide else column.align[0])
    return "".join(kinds)


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _minus(text: str) -> str:
    """Replace hyphens that are signs by minus signs."""
    return re.sub(r"(^|\[|, )-", r"\1−", text)


def _heading(column: GridColumn) -> str:
    text = " ".join(filter(None, (escape_latex(column.title), escape_latex(column.arrow))))
    return text + _marks(column.marks)


def _marks(marks: tuple[str, ...]) -> str:
    return rf"\textsuperscript{{{','.join(marks)}}}" if marks else ""


def _text(cell: GridCell) -> str:
    text = escape_latex(_minus(cell.text) if cell.numeric else cell.text)
    if cell.strong:
        text = rf"\textbf{{{text}}}"
    elif cell.underlined:
        text = rf"\underline{{{text}}}"
    elif cell.published and not cell.missing:
        text = rf"\textit{{{text}}}"
    extra = rf" {{\footnotesize({escape_latex(_minus(cell.extra))})}}" if cell.extra else ""
    return text + extra + _marks(cell.marks)
