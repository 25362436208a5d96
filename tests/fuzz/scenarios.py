"""Scenarios, which a colleague may have sent: `bridge/scenarios`."""

from pathlib import Path

from bridge.scenarios.reading import ScenarioError, parse
from tests.fuzz.target import Target, encoded

ROOT = Path(__file__).parents[2]
FILE = Path("fuzzed.yaml")
FOUND = (
    '!!int ""',
    'a: !!int "-"',
    "a: !!bool maybe",
    '"\\e[31m": 1',
    "? !!bool maybe\n: 1",
    "a: !!timestamp soon",
    'a: !!float ""',
    '"\\uD800": 1',
    'a: "\\UFFFFFFFF"',
)


def check(data: bytes) -> None:
    """A scenario is read, with a line for all of it, or each problem is told with its line."""
    text = data.decode("utf-8", "replace")
    try:
        scenario = parse(text, FILE)
    except ScenarioError as error:
        for line in str(error).split("\n"):
            assert line.startswith(f"{FILE}:"), line
            assert 1 <= int(line.split(":")[1]) <= len(text.splitlines()) + 2, line
            assert line.isprintable(), line
        return
    assert scenario.form.model_dump_json()
    assert scenario.line(()) >= 1


TARGET = Target(
    "scenarios",
    check,
    tuple(path.read_bytes() for path in sorted((ROOT / "scenarios").glob("*.yaml")))
    + encoded(FOUND),
    encoded([*"[]{}:,\n-?|>&*!%#\"'@`", "  ", "\n- ", "\n  ", ": ", "&a ", "*a", "<<: ", "---\n"])
    + encoded(
        """!!int !!bool !!float !!timestamp !!binary !!null !!set !!omap !!str !!map
    !!python/object:os.system !!merge ~ null true 0x 0o7 1:99 1_0 .inf .nan say: expect: turns:
    caller: title: metadata: text: tools: interrupt: after: \\uD800 \\UFFFFFFFF \\0 \\x""".split()
    ),
)
