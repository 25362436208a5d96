"""What the suite found, as it is kept beside docs/autobahn.md, and as the page shows it."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

KEPT = Path(__file__).parents[2] / "docs/autobahn.json"
PAGE = KEPT.with_suffix(".md")

SECTIONS = {
    1: "Framing",
    2: "Pings and pongs",
    3: "Reserved bits",
    4: "Opcodes",
    5: "Fragmentation",
    6: "UTF-8",
    7: "Closing",
    9: "Limits and performance",
    10: "Misc",
    12: "Compression, different payloads",
    13: "Compression, different parameters",
}
VERDICTS = ("OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED", "FAILED")

WITHOUT_LIMIT = "bridge, without its limit"
"""The agent that shows which cases fail for the size of their messages alone."""

IN_AIOHTTP = {"7.9.5"}
"""Failures of aiohttp's, which docs/autobahn.md tells of."""

Cases = Mapping[str, Mapping[str, Any]]


def read() -> dict[str, Any]:
    """What was kept of the last run."""
    kept: dict[str, Any] = json.loads(KEPT.read_text())
    return kept


def keep(about: Mapping[str, str], index: Mapping[str, Cases]) -> None:
    """Keep the suite's own index, but for how long each case took: one line for each case."""
    agents = []
    for agent, cases in sorted(index.items()):
        ordered = sorted(cases, key=lambda case: [int(part) for part in case.split(".")])
        lines = [f"  {json.dumps(case)}: {json.dumps(_kept(cases[case]))}" for case in ordered]
        agents.append(f" {json.dumps(agent)}: {{\n" + ",\n".join(lines) + "\n }")
    head = f' "about": {json.dumps(about)}'
    KEPT.write_text("{\n" + ",\n".join([head, *agents]) + "\n}\n")


def _kept(case: Mapping[str, Any]) -> dict[str, Any]:
    return {name: case[name] for name in ("behavior", "behaviorClose", "remoteCloseCode")}


def verdict(case: Mapping[str, Any]) -> str:
    """The worse of what the suite says of a case's messages and of its closing."""
    closing = case["behaviorClose"]
    told: list[str] = [case["behavior"], closing if closing in VERDICTS else "FAILED"]
    return max(told, key=VERDICTS.index)


def table(kept: Mapping[str, Any]) -> str:
    """The page's figures."""
    cases: Cases = kept["bridge"]
    counts: dict[int, Counter[str]] = {section: Counter() for section in SECTIONS}
    for case, told in cases.items():
        counts[int(case.partition(".")[0])][verdict(told)] += 1
    rows = [
        f"| {section} {name} | {counts[section].total()} | "
        + " | ".join(str(counts[section][verdict] or "") for verdict in VERDICTS)
        + " |"
        for section, name in SECTIONS.items()
    ]
    return "\n".join(
        [
            ", ".join(f"{name} {version}" for name, version in kept["about"].items()) + ".",
            "",
            f"| section | cases | {' | '.join(VERDICTS)} |",
            "|---|" + "---:|" * (1 + len(VERDICTS)),
            *rows,
        ]
    )


def of(kept: Mapping[str, Any], wanted: str) -> list[str]:
    """The bridge's cases with this verdict."""
    return [case for case, told in kept["bridge"].items() if verdict(told) == wanted]


def too_large(kept: Mapping[str, Any]) -> list[str]:
    """Cases that fail for their size alone: closed with 1009, and OK where there is no limit.

    Who is still sending when the connection goes may lose the close frame before it: no code.
    """
    large: Cases = kept[WITHOUT_LIMIT]
    return [
        case
        for case in of(kept, "FAILED")
        if kept["bridge"][case]["remoteCloseCode"] in (1009, None)
        if case in large and verdict(large[case]) == "OK"
    ]


def unexplained(kept: Mapping[str, Any]) -> list[str]:
    """Failures that docs/autobahn.md has no reason for."""
    return sorted(set(of(kept, "FAILED")) - set(too_large(kept)) - IN_AIOHTTP)
