"""Outcomes as JUnit's XML, which every CI reads."""

import re
from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree as ET

from bridge.scenarios.page import details, headline
from bridge.scenarios.repeats import Repeats

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(scenarios: Sequence[Repeats]) -> bytes:
    """Write one test case for each scenario."""
    failures = str(sum(not repeats.passed for repeats in scenarios))
    counts = {"tests": str(len(scenarios)), "failures": failures, "errors": "0", "skipped": "0"}
    suites = ET.Element("testsuites", counts)
    suite = ET.SubElement(suites, "testsuite", {"name": "scenarios", **counts})
    suite.set("time", f"{sum(map(_seconds, scenarios)):.3f}")
    for repeats in scenarios:
        _case(suite, repeats)
    ET.indent(suites)
    written: bytes = ET.tostring(suites, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _case(suite: ET.Element, repeats: Repeats) -> None:
    file = repeats.runs[0].file
    case = ET.SubElement(
        suite, "testcase", {"classname": _xml(str(file.parent)), "name": _xml(file.stem)}
    )
    case.set("file", _xml(str(file)))
    case.set("time", f"{_seconds(repeats):.3f}")
    properties = ET.SubElement(case, "properties")
    for name, value in (
        ("model", repeats.runs[0].model),
        ("runs", str(len(repeats.runs))),
        ("pass_rate", f"{repeats.pass_rate:.3f}"),
    ):
        ET.SubElement(properties, "property", {"name": name, "value": _xml(value)})
    told = _xml("\n".join(details(repeats)))
    if not repeats.passed:
        failure = ET.SubElement(case, "failure", {"message": _xml(headline(repeats))})
        failure.text = told
    elif told:
        ET.SubElement(case, "system-out").text = told


def _seconds(repeats: Repeats) -> float:
    return sum(run.seconds for run in repeats.runs)


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
