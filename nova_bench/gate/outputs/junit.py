"""A comparison as JUnit XML, which every CI shows."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator

from nova_bench.core.visible_text import visible
from nova_bench.gate.outputs.words import metric_facts, ranked, shortened, verdict_sentence
from nova_bench.gate.verdict_file import MetricVerdict, SideFacts, VerdictFile

SAMPLES = "samples"
"""Name of the test case that fails with an error if samples failed or are missing, or if nothing was measured."""
LOSSES = 10
"""Prompts that lost most, listed for a regressed metric."""


def junit_xml(file: VerdictFile) -> bytes:
    """One suite with a case per metric, and one for the samples.

    A regressed metric is a failure. What isn't comparable or inconclusive is skipped; under `--strict` it is a failure
    too. Failed or missing samples, or nothing measured, are an error. Metrics that only inform pass. A case's numbers
    are in its ``system-out``. The elements are those that the schemas of Jenkins and of Maven's Surefire both allow;
    they require a ``time``, which is 0 as a case takes none of its own.
    """
    classname = f"nova_bench.{file.suite}"
    cases = [_samples(file, classname), *(_case(metric, classname, file.strict) for metric in ranked(file.metrics))]
    counts = {"tests": len(cases), "failures": _having(cases, "failure"), "errors": _having(cases, "error")}
    root = _element("testsuites", name="nova_bench", time=0, **counts)
    suite = _element("testsuite", name=file.suite, time=0, **counts, skipped=_having(cases, "skipped"))
    suite.append(_properties(file))
    suite.extend(cases)
    root.append(suite)
    ET.indent(root, " ")
    return ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _case(metric: MetricVerdict, classname: str, strict: bool) -> ET.Element:
    case = _element("testcase", name=metric.metric, classname=classname, time=0)
    sentence = verdict_sentence(metric)
    undecided = metric.verdict in ("inconclusive", "not comparable")
    if metric.gating and (metric.verdict == "regressed" or (undecided and strict)):
        failure = _text("failure", [sentence, *_lost(metric)])
        failure.attrib |= {"message": _clean(sentence), "type": metric.verdict}
        case.append(failure)
    elif metric.gating and undecided:
        case.append(_element("skipped", message=sentence))
    first = [] if metric.gating else ["decides nothing: information only"]
    case.append(_text("system-out", [*first, sentence, *(f"{name}: {text}" for name, text in metric_facts(metric))]))
    return case


def _samples(file: VerdictFile, classname: str) -> ET.Element:
    case = _element("testcase", name=SAMPLES, classname=classname, time=0)
    incomplete = [text for name, side in (("A", file.a), ("B", file.b)) if (text := _incomplete(name, side))]
    if file.exit_code == 3 or file.b.failed or file.b.missing or file.a.missing:
        error = _text("error", incomplete or [file.summary])
        error.attrib |= {"message": _clean("; ".join(incomplete) or file.summary), "type": "infrastructure"}
        case.append(error)
    lines = [f"{name}: {side.requested:,} samples" for name, side in (("A", file.a), ("B", file.b))]
    case.append(_text("system-out", [file.summary, *file.reasons, *lines, *incomplete]))
    return case


def _incomplete(name: str, side: SideFacts) -> str:
    parts = [f"{count:,} {word}" for count, word in ((side.failed, "failed"), (side.missing, "missing")) if count]
    return f"{name}: {' and '.join(parts)} of {side.requested:,} samples" if parts else ""


def _lost(metric: MetricVerdict) -> Iterator[str]:
    """The prompts that lost most."""
    for loss in metric.losses[:LOSSES]:
        numbers = f"{loss.a:.{metric.digits}f} -> {loss.b:.{metric.digits}f}"
        yield f"{numbers}: {shortened(loss.prompt)}"
    if len(metric.losses) > LOSSES:
        yield f"and {len(metric.losses) - LOSSES:,} more, in verdict.json"


def _properties(file: VerdictFile) -> ET.Element:
    facts = {
        "verdict": file.verdict,
        "exit code": file.exit_code,
        "strict": "yes" if file.strict else "no",
        "A": f"{file.a.label}, {file.a.what} {file.a.name}",
        "B": f"{file.b.label}, {file.b.what} {file.b.name}",
        "created": file.created,
        "nova_bench": file.nova_bench,
    }
    properties = _element("properties")
    properties.extend(_element("property", name=name, value=value) for name, value in facts.items())
    return properties


def _having(cases: Iterable[ET.Element], tag: str) -> int:
    return sum(case.find(tag) is not None for case in cases)


def _element(tag: str, **attributes: object) -> ET.Element:
    return ET.Element(tag, {name: _clean(str(value)) for name, value in attributes.items()})


def _text(tag: str, lines: Iterable[str]) -> ET.Element:
    element = ET.Element(tag)
    element.text = "\n".join(map(_clean, lines))
    return element


def _clean(text: str) -> str:
    """Text that XML 1.0 can hold: every character that it can't is among those that ``visible`` escapes."""
    return visible(text)
