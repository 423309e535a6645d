"""What `compare` and `check` print and write: the table, the verdict in one line, and the files for CI."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from nova_bench.cli.run import show_tables
from nova_bench.core.errors import ExitCode, UserError
from nova_bench.core.standard_streams import print_line
from nova_bench.gate.compare import ACCEPTABLE
from nova_bench.gate.media import Media
from nova_bench.gate.outputs.github import announce
from nova_bench.gate.outputs.table import verdict_table
from nova_bench.gate.outputs.writing import write_outputs
from nova_bench.gate.verdict_file import VerdictFile

Accept = Annotated[
    list[str] | None,
    typer.Option(
        "--accept",
        metavar="FIELD",
        help=f"Compare although this differs: {', '.join(ACCEPTABLE)}. Repeatable, or separated by commas.",
    ),
]
Missing = Annotated[
    str | None,
    typer.Option("--missing", metavar="worst|drop", help="What a sample counts as that failed in B and not in A."),
]
Seeds = Annotated[
    int, typer.Option("--noise", metavar="N", min=0, max=100, help="First measure N further seeds of the model.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Exit with 4 if the verdict is inconclusive or not comparable.")]
Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write verdict.json.")]
JUnit = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML.")]
Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a page with plots and videos.")]
Markdown = Annotated[Path | None, typer.Option("--markdown", metavar="FILE", help="Write the table as Markdown.")]


@dataclass(frozen=True)
class Files:
    """The files that the command line asks for."""

    json: Path | None = None
    junit: Path | None = None
    html: Path | None = None
    markdown: Path | None = None


def accepted(words: list[str] | None) -> tuple[str, ...]:
    """The words of `--accept`. UserError for an unknown one."""
    found = [word.strip() for part in words or () for word in part.split(",") if word.strip()]
    for word in found:
        if word not in ACCEPTABLE:
            raise UserError(f"--accept {word}: no such field", f"one of: {', '.join(ACCEPTABLE)}")
    return tuple(dict.fromkeys(found))


def missing_rule(missing: str | None) -> str | None:
    """The rule of `--missing`. UserError for an unknown one."""
    if missing not in (None, "worst", "drop"):
        raise UserError(f"--missing {missing}: no such rule", "worst or drop")
    return missing


def show_verdict(file: VerdictFile, files: Files, media: Media) -> ExitCode:
    """Write the files, print the table and the verdict; returns the exit code. UserError if a file can't be written,
    after everything else."""
    problem = None
    try:
        write_outputs(file, json=files.json, junit=files.junit, html=files.html, markdown=files.markdown, media=media)
    except UserError as error:
        problem = error
    announce(file, os.environ, sys.stdout)
    show_tables([verdict_table(file)])
    for reason in file.reasons:
        print_line(f"note: {reason}", sys.stderr)
    for name, path in vars(files).items():
        if path is not None and path.exists():
            print_line(f"{name}: {path}", sys.stderr)
    if file.exit_code == 0 and file.verdict in ("inconclusive", "not comparable"):
        print_line(f"warning: {file.verdict}; --strict makes this an error", sys.stderr)
    print_line(file.summary)
    if problem is not None:
        raise problem
    return ExitCode(file.exit_code)
