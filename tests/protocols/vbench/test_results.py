"""Results files in the official form: what is read is written again, key by key."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nova_bench.protocols.base import ResultRow, StatedResult
from nova_bench.protocols.vbench.results import DIMENSIONS, read, write
from tests.protocols.vbench.official_results import official_results


def flat(value: Any, place: str = "") -> dict[str, Any]:
    """Leaves of a JSON value by their place; a truth value is told from a number."""
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, list):
        parts = enumerate(value)
    else:
        return {f"{place}:{type(value).__name__}": value}
    return {name: leaf for key, part in parts for name, leaf in flat(part, f"{place}/{key}").items()}


@pytest.mark.parametrize("several_gpus", [False, True])
def test_written_records_have_the_official_keys_and_values(several_gpus: bool) -> None:
    document = json.loads(json.dumps(official_results(several_gpus=several_gpus)))
    for _, records in document.values():
        for record in records:
            if "frame_results" in record:
                record["frame_results"] = [float(frame) for frame in record["frame_results"]]
    found = flat(json.loads(write(read(json.dumps(document)))))
    expected = flat(document)
    assert found.keys() == expected.keys()
    assert all(found[place] == pytest.approx(value, abs=1e-12) for place, value in expected.items())


def test_other_metrics_are_left_out() -> None:
    row = ResultRow("a-0.mp4", 0.5, 16.0, {"frame_scores": [0.5]})
    stated = [StatedResult(name, 0.5, (row,)) for name in (*DIMENSIONS, "psnr", "color_corrected")]
    assert set(json.loads(write(stated))) == set(DIMENSIONS)
    assert write(stated[-2:]) == ""
