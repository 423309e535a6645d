"""Which code was timed: a digest that changes with the code, but not when it is moved or its descriptions change."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from nova_bench.core.identity import digest

_PACKAGE = Path(__file__).parents[2]
_TIMED = ("nova", "kernels")
"""Folders of the timed code: the NOVA library, and the kernels that may compute its products."""
_TIMING = (
    "core/stopwatch.py",
    *(f"experiments/latency/{name}.py" for name in ("flops", "machine", "measure", "subject")),
)
"""The timing code."""
_COMPILED = (".c", ".h")


@cache
def build_digest() -> str:
    """Digest of the timed code, the timing code, and the version of torch.

    Timings with another digest are of another build: they can be shown, but are never mistaken for this build's.
    """
    files = [_PACKAGE / name for name in _TIMING]
    for folder in _TIMED:
        files += (path for path in (_PACKAGE / folder).rglob("*") if path.suffix in (".py", *_COMPILED))
    try:
        torch = version("torch")
    except PackageNotFoundError:
        torch = ""
    return digest("build", [code_digest(files), torch])


def code_digest(files: Iterable[Path]) -> str:
    """Digest of source files, independent of their names and order.

    For Python it covers the syntax tree without imports, docstrings, comments and layout; for C the bytes.
    """
    return digest("code", sorted(digest("file", _content(path)) for path in files))


def _content(path: Path) -> str:
    source = path.read_text(encoding="utf-8")
    if path.suffix in _COMPILED:
        return source
    tree = _Described().visit(ast.parse(source))
    return ast.dump(tree)


class _Described(ast.NodeTransformer):
    """Removes imports and descriptions from a syntax tree."""

    def visit_Import(self, node: ast.Import) -> None:
        """Left out."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Left out."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        """Remove docstrings: string literals that are statements."""
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else node
