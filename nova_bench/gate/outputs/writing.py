"""Writes a comparison in the formats that were asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nova_bench.core.atomic_files import write_atomic
from nova_bench.core.errors import UserError
from nova_bench.gate.outputs.junit import junit_xml
from nova_bench.gate.outputs.markdown import verdict_markdown
from nova_bench.gate.outputs.page import Media, write_page
from nova_bench.gate.outputs.verdict_json import verdict_json
from nova_bench.gate.verdict_file import VerdictFile


def write_outputs(
    file: VerdictFile,
    *,
    json: Path | None = None,
    junit: Path | None = None,
    markdown: Path | None = None,
    html: Path | None = None,
    media: Media | None = None,
) -> None:
    """Write every format that has a path, JSON first; each file is replaced atomically.

    A format that can't be written doesn't keep the others from being written. Raises UserError afterwards, which names
    each such format.
    """
    writers: dict[str, tuple[Path | None, Callable[[Path], object]]] = {
        "json": (json, lambda path: write_atomic(path, verdict_json(file))),
        "junit": (junit, lambda path: write_atomic(path, junit_xml(file))),
        "markdown": (markdown, lambda path: write_atomic(path, verdict_markdown(file).encode())),
        "html": (html, lambda path: write_page(file, path, media)),
    }
    problems: list[UserError] = []
    for name, (path, write) in writers.items():
        if path is None:
            continue
        try:
            write(path)
        except UserError as error:
            problems.append(UserError(f"--{name}: {error.message}", "choose a path that can be written"))
    if problems:
        raise UserError("; ".join(problem.message for problem in problems), problems[0].remedy)
