"""`verdict.json` and its JSON schema."""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import Field, TypeAdapter

from nova_bench.config.reference import SCHEMA_ID
from nova_bench.gate.speed_file import SpeedReport
from nova_bench.gate.verdict_file import VerdictFile


def verdict_json(file: VerdictFile | SpeedReport) -> bytes:
    """The file as JSON, every key written. Raises ValueError for a number that isn't finite: it is no result."""
    text = json.dumps(file.model_dump(mode="json"), indent=1, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace") + b"\n"  # half a surrogate pair becomes JSON's own escape


def verdict_schema_text() -> str:
    """The JSON schema of what :func:`verdict_json` writes, as a file: ``kind`` tells the two apart."""
    either: TypeAdapter[VerdictFile | SpeedReport] = TypeAdapter(
        Annotated[VerdictFile | SpeedReport, Field(discriminator="kind")]
    )
    schema = either.json_schema(mode="serialization", ref_template="#/$defs/{model}")
    return json.dumps({"$schema": SCHEMA_ID, **schema}, indent=1, ensure_ascii=False) + "\n"
