"""Imports stand at the top of a file, except those that keep a heavy library out of `--help`, `list` and `plan`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAVY = {
    *("PIL", "av", "cv2", "diffusers", "huggingface_hub", "jinja2", "markupsafe", "matplotlib", "numpy", "pandas"),
    *("ray", "rich", "safetensors", "scipy", "tabulate", "tokenizers", "torch", "tqdm", "transformers"),
}
"""Libraries that only what needs them imports, inside a function or in modules that such functions import."""
STARTING = {"nova_bench.__main__"}
"""Watches for Ctrl-C before anything else is imported."""


def modules() -> dict[str, Path]:
    paths = (ROOT / "nova_bench").rglob("*.py")
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


MODULES = modules()


@cache
def imports(module: str) -> tuple[frozenset[str], frozenset[tuple[str, int]]]:
    """What a module imports at its top, and (name, line) of what its functions import."""
    top: set[str] = set()
    inside: set[tuple[str, int]] = set()
    for node, in_function in _imports(ast.parse(MODULES[module].read_text(encoding="utf-8")), False):
        for name in _names(node):
            if in_function:
                inside.add((name, node.lineno))
            else:
                top.add(name)
    return frozenset(top), frozenset(inside)


def _imports(tree: ast.AST, in_function: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, in_function
        elif not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            yield from _imports(node, in_function or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _names(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    assert node.module, "imports are absolute"
    for alias in node.names:
        yield name if (name := f"{node.module}.{alias.name}") in MODULES else node.module


def needs_heavy(module: str) -> bool:
    """Whether importing a module of ours imports a heavy library, by itself or through others."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name.partition(".")[0] in HEAVY:
            return True
        if name in MODULES:
            parts = name.split(".")
            waiting += [".".join(parts[:end]) for end in range(1, len(parts))]  # its packages are imported first
            waiting += imports(name)[0]
    return False


def test_functions_import_only_what_is_heavy() -> None:
    needless = [
        f"{MODULES[module].relative_to(ROOT)}:{line}: {name}"
        for module in sorted(MODULES.keys() - STARTING)
        for name, line in sorted(imports(module)[1])
        if name in MODULES and not needs_heavy(name)
    ]
    assert needless == [], "import these at the top of the file"


def test_the_command_line_itself_is_light() -> None:
    light = [
        "nova_bench.cli",
        *(f"nova_bench.experiments.{kind}.preview" for kind in ("benchmark", "study", "latency")),
    ]
    assert [module for module in light if needs_heavy(module)] == []
