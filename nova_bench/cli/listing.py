"""`nova_bench list`."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from nova_bench.cli import options
from nova_bench.config import reference as describe
from nova_bench.core.errors import ExitCode, UserError
from nova_bench.gate.outputs.verdict_json import verdict_schema_text


class Document(StrEnum):
    """A kind of file that has a JSON Schema."""

    SUITE = "suite"
    VERDICT = "verdict"


def list_things(
    document: Annotated[
        Document | None,
        typer.Argument(
            help="With --schema: the schema of suite files (default) or of verdict.json.", show_default=False
        ),
    ] = None,
    fields: Annotated[bool, typer.Option("--fields", help="Document every key of a suite.")] = False,
    schema: Annotated[
        bool,
        typer.Option(
            "--schema",
            help="Print the JSON Schema of suite files, for editors (built-in names only), or of verdict.json.",
        ),
    ] = False,
    plugins: Annotated[
        bool, typer.Option("--plugins", help="With --schema: include models and scorers of installed packages.")
    ] = False,
    suites: options.Suites = None,
) -> ExitCode:
    """List suites, models and scorers; or document what a suite can say."""
    if document and not schema:
        raise UserError(f"list {document}: only a schema has a name", f"list --schema {document}")
    if document == Document.VERDICT:
        print(verdict_schema_text(), end="")
    elif schema:
        print(describe.json_schema_text(plugins), end="")
    elif fields and sys.stdout.isatty():
        describe.show_fields()
    elif fields:
        print(describe.fields_text())
    else:
        print(describe.names_text())
    return ExitCode.PASS
