"""`nova_bench list`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from nova_bench.cli import options
from nova_bench.config import reference as describe
from nova_bench.core.errors import ExitCode


def list_things(
    fields: Annotated[bool, typer.Option("--fields", help="Document every key of a suite.")] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of suite files, for editors; built-in names only.")
    ] = False,
    plugins: Annotated[
        bool, typer.Option("--plugins", help="With --schema: include models and scorers of installed packages.")
    ] = False,
    suites: options.Suites = None,
) -> ExitCode:
    """List suites, models and scorers; or document what a suite can say."""
    if schema:
        print(describe.json_schema_text(plugins), end="")
    elif fields and sys.stdout.isatty():
        describe.show_fields()
    elif fields:
        print(describe.fields_text())
    else:
        print(describe.names_text())
    return ExitCode.PASS
