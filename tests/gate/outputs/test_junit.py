"""JUnit XML: what CI counts, and the rules of the schemas that Jenkins and Surefire publish."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_bench.core.visible_text import visible
from nova_bench.gate.outputs.junit import junit_xml
from nova_bench.gate.verdict_file import VerdictFile
from tests.gate.outputs.files import HOSTILE, hostile, large, loss, metric, ordinary, side, verdict_file

# Element -> (required attributes, other attributes, children in their order): what both Jenkins' junit-10.xsd and
# Maven's surefire-test-report.xsd allow. Surefire has no element around the suites.
RULES: dict[str, tuple[set[str], set[str], list[str]]] = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, set(), ["testsuite"]),
    "testsuite": (
        {"name", "time", "tests", "failures", "errors", "skipped"},
        set(),
        ["properties", "testcase"],
    ),
    "properties": (set(), set(), ["property"]),
    "property": ({"name", "value"}, set(), []),
    "testcase": ({"name", "classname", "time"}, set(), ["failure", "skipped", "error", "system-out"]),
    "failure": ({"message", "type"}, set(), []),
    "error": ({"message", "type"}, set(), []),
    "skipped": (set(), {"message"}, []),
    "system-out": (set(), set(), []),
}


def parsed(file: VerdictFile) -> ET.Element:
    """The root, after a check against the rules."""
    root = ET.fromstring(junit_xml(file))
    assert root.tag == "testsuites"
    for element in root.iter():
        required, others, order = RULES[element.tag]
        assert required <= element.attrib.keys() <= required | others, element.tag
        places = [order.index(child.tag) for child in element]
        assert places == sorted(places), f"order of children in {element.tag}"
        assert not (element.text or "").strip() or not len(element), "text beside elements"
    for suite in root.iter("testsuite"):
        cases = suite.findall("testcase")
        found = Counter(child.tag for case in cases for child in case)
        counts = {name: int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")}
        assert counts == {
            "tests": len(cases),
            "failures": found["failure"],
            "errors": found["error"],
            "skipped": found["skipped"],
        }
        assert re.fullmatch(r"[0-9]{1,3}", suite.attrib["time"])
        assert all(sum(child.tag in ("failure", "error", "skipped") for child in case) <= 1 for case in cases)
        assert len({case.attrib["name"] for case in cases}) == len(cases)
    return root


def outcomes(file: VerdictFile) -> dict[str, str]:
    """Test case -> failure, error, skipped or pass."""
    kinds = ("failure", "error", "skipped")
    return {
        case.attrib["name"]: next((child.tag for child in case if child.tag in kinds), "pass")
        for case in parsed(file).iter("testcase")
    }


def test_each_verdict_has_its_outcome() -> None:
    assert outcomes(ordinary()) == {
        "samples": "error",  # one sample of B failed
        "shapes/color": "failure",
        "psnr": "skipped",
        "shapes/count": "skipped",
        "shapes/motion": "pass",
        "shapes/all": "pass",
        "dynamic_degree_dis": "pass",
    }


def test_strict_makes_undecided_metrics_failures() -> None:
    metrics = (metric("a", "inconclusive"), metric("b", "not comparable"), metric("c", "regressed", gating=False))
    file = verdict_file(*metrics, verdict="not comparable", strict=True, exit_code=4)
    assert outcomes(file) == {"samples": "pass", "a": "failure", "b": "failure", "c": "pass"}


@pytest.mark.parametrize(
    "changes",
    [
        {"b": side(missing=3)},
        {"a": side(missing=1)},
        {"metrics": (), "verdict": "not comparable"},
        {"metrics": (metric("a", gating=False),), "verdict": "not comparable"},
    ],
)
def test_what_exits_as_incomplete_is_an_error(changes: dict) -> None:
    file = verdict_file(**{"metrics": (metric("a"),), **changes, "exit_code": 3})
    assert outcomes(file)["samples"] == "error"


def test_failed_samples_of_an_old_side_are_only_named() -> None:
    file = verdict_file(metric("a"), a=side(failed=2))
    assert outcomes(file)["samples"] == "pass"
    assert "A: 2 failed of 72 samples" in junit_xml(file).decode()


def test_a_failure_names_numbers_and_prompts() -> None:
    case = parsed(ordinary()).find(".//testcase[@name='shapes/color']")
    assert case is not None
    failure, written = case.find("failure"), case.findtext("system-out", "")
    assert failure is not None
    assert failure.attrib["type"] == "regressed"
    expected = "regressed: shapes/color -0.0410 [-0.0620, -0.0200], margin 0.02, p = 0.021"
    assert failure.attrib["message"] == expected
    assert "0.9000 -> 0.5000: a red circle that moves left" in (failure.text or "")
    for line in ("A: 0.9100", "B: 0.8690", "p, family-wise: 0.021", "prompts: 72", "noise between seeds: 0.0100"):
        assert line in written.splitlines()
    assert case.attrib["classname"] == "nova_bench.shapes"


def test_foreign_text_and_many_prompts_stay_readable() -> None:
    root = parsed(hostile())
    assert any(case.attrib["name"] == visible(HOSTILE) for case in root.iter("testcase"))
    assert len(junit_xml(large())) < 100_000
    assert "and 934 more, in verdict.json" in junit_xml(large()).decode()


@settings(max_examples=50)
@given(st.text())
def test_any_text_makes_well_formed_xml(text: str) -> None:
    parsed(verdict_file(metric("a", "regressed", note=text, losses=(loss(text),)), suite=text, summary=text))
