from pathlib import Path

import pytest

from bridge.scenarios.reading import ScenarioError, found, parse, read
from tests.scenarios.playing import ROOT, scenario

EVERYTHING = """\
about: Where an order is, and an interruption.
call:
  agent_id: ""
  metadata: {name: Ada}
  from: "+15550100123"
habits: {words_per_second: 2.5, end_of_turn: 0.6, interrupted: cut}
model:
  - says: "One moment."
    calls: [{name: order_status, arguments: {order_id: "1234"}}]
  - says: "It is on its way."
greeting:
  says: {contains: Ada}
turns:
  - say: Where is my order 1234?
    expect:
      says: {contains: [order, way], never: sorry, matches: "(?i)on its way|tomorrow"}
      tools:
        - {name: order_status, arguments: {order_id: "1234"}, outcome: ok}
      never_tools: [cancel_order]
      first_word: 1.5
      dead_air: 3
      ends: {transfer: "+15550199"}
      heard: {contains: order}
      history: [{role: user, content: order}]
      judge: Says politely when the order will arrive.
  - barge_in: Wait, stop.
    after_words: 4
    expect: {ends: call}
  - cough: 0.4
    after_seconds: 1
  - silence: 20
"""


def error(text: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        parse(text, Path("s.yaml"))
    return str(caught.value)


def test_everything_that_the_form_has_is_read_and_every_value_has_its_line() -> None:
    read = scenario(EVERYTHING)
    first, second, third, fourth = read.form.turns

    assert read.form.call.caller == "+15550100123"
    assert read.form.habits.habits().end_of_turn == 0.6
    assert first.expect.says is not None
    assert first.expect.says.never == ("sorry",)  # a value is a list of one
    assert [turn.what for turn in read.form.turns] == ["say", "barge_in", "cough", "silence"]
    assert (second.after_words, third.after_seconds, fourth.silence) == (4, 1.0, 20.0)
    expect = ("turns", 0, "expect")
    assert read.line((*expect, "tools", 0, "arguments", "order_id")) == 18
    assert read.line((*expect, "never_tools", 0)) == 19
    assert read.line((*expect, "judge", 0)) == 25  # where it would be in a list
    assert read.line(("model", 1)) == 10


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- say: x", "1: a mapping belongs here, of about, call, habits, model, tools, live_tools,"
         " greeting, turns"),
        ("about: x\nturnz: []", "2: unknown key turnz (did you mean turns?)"),
        ("turns:\n  - sya: x", "2: unknown key sya (did you mean say?)"),
        (
            "turns:\n  - say: x\n    expect:\n      says:\n        contain: y",
            "5: unknown key contain (did you mean contains?)",
        ),
        ("tools:\n  a: {b: 1}", "2: unknown key b (there are result, fails, after)"),
        ("turns:\n  - say: 5", "2: say: must be text: put it in quotes"),
        ("greeting:\n  says: {contains: }", "2: contains: there is no value"),
        ("turns:\n  - say: ' '", "2: say: there are no words in it"),
        ("turns:\n  - say: [x]", "2: say: must be text"),
        ("turns: 5", "1: turns: must be a list"),
        ("call:\n  from: +15550100", "2: from: must be text: put it in quotes"),
        ("call:\n  metadata: x", "2: metadata: must be a mapping"),
        ("model: 5", "1: model: must be text: put it in quotes"),
        ("model:\n  - says: a\n  - say: b", "3: unknown key say (did you mean says?)"),
        ("model:\n  - calls: {arguments: {}}", "2: name is missing"),
        ("habits: {interrupted: x}", "1: interrupted: must be 'cut', 'whole' or 'absent'"),
        ("habits: {words_per_second: 0}", "1: words_per_second: must be greater than 0"),
        ("turns:\n  - silence: .inf", "2: silence: must be a finite number"),
        ("turns:\n  - silence: yes", "2: silence: must be a number"),
        ("turns:\n  - silence: 5\n    say: x",
         "2: turns: give one of say, barge_in, cough or silence"),
        ("turns:\n  - say: x\n    after_words: 3",
         "2: turns: only a barge_in or a cough comes after something"),
        ("turns:\n  - barge_in: x\n    after_words: 3\n    after_seconds: 1",
         "2: turns: give after_words or after_seconds, not both"),
        ("turns:\n  - cough: 1\n    expect: {}",
         "2: turns: a cough has no answer: expect it at the turn whose answer goes on"),
        ("greeting:\n  says: {}", "2: says: give contains, never or matches"),
        ("greeting:\n  says: {matches: '('}", "2: matches: no regular expression: missing ), "
         "unterminated subpattern at position 0"),
        ("greeting:\n  ends: hangup",
         '2: ends: must be call, never, or {transfer: "+15550199"}'),
        ("greeting:\n  ends: {transfer: 5}", "2: transfer: must be text: put it in quotes"),
        ("greeting:\n  history: {role: robot, content: x}",
         "2: role: must be 'system', 'user', 'assistant' or 'tool'"),
        ("a: 1\nb: 2\na: 3", "3: the key a stands here twice"),
        ("on: x", "1: a key must be text: put it in quotes"),
        ("a: [", "1: this is no YAML: expected the node content, but found '<stream end>'"),
        ("about: a\n---\nabout: b", "2: this is no YAML: but found another document"),
        ("a: !!python/object:os.system x", "1: this is no YAML: could not determine a constructor "
         "for the tag 'tag:yaml.org,2002:python/object:os.system'"),
        ("about: \x07", "1: a character that YAML does not allow"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line_and_the_remedy(text: str, told: str) -> None:
    assert error(text) == f"s.yaml:{told}"


def test_everything_that_is_wrong_is_told_in_the_order_of_the_file() -> None:
    text = "turns:\n  - say: 1\n    expect:\n      first_word: soon\n      ends: x\ntools: 5"
    assert [line.split(": ")[0] for line in error(text).splitlines()] == [
        "s.yaml:2",
        "s.yaml:4",
        "s.yaml:5",
        "s.yaml:6",
    ]


def test_a_date_is_the_text_that_it_is() -> None:
    arguments = scenario("call: {metadata: {day: 2026-01-31}}").form.call.metadata
    assert arguments == {"day": "2026-01-31"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: &a [x,x,x,x,x,x,x,x,x]\n"
         + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdef", "bcdefg",
                                                                              strict=True)),
         "more than 20000 values"),
        ("a: &a [*a]", "nested too deeply"),
        ("[" * 500, "nested too deeply"),
        ("about: " + "x" * 300_000, "longer than 256 KiB"),
        ("a: " + "9" * 5000, "no number: put it in quotes"),
        ("a: !!int ''", "this is no int"),
        ("a: !!bool maybe", "this is no bool"),
        ("a: !!timestamp soon", "this is no timestamp"),
        ('a: "\\UFFFFFFFF"', "a character that YAML does not allow"),
        ('"\\uD800": x', "a character that YAML does not allow"),
    ],
    ids=["aliases", "itself", "deep", "long", "digits", "int", "bool", "time", "far", "half"],
)  # fmt: skip
def test_a_hostile_text_is_refused_at_once(text: str, told: str) -> None:
    assert error(text).endswith(f": {told}")


def test_what_is_told_cannot_command_a_terminal() -> None:
    assert "\x1b" not in error('"\\e[2Jsay": x')


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"none\.yaml: No such file or directory"):
        read(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_bytes(b"about: \xff")
    with pytest.raises(ScenarioError, match=r"bad\.yaml: not UTF-8"):
        read(tmp_path / "bad.yaml")


def test_files_are_those_given_else_all_of_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "scenarios"
    with pytest.raises(ScenarioError, match="there is no folder"):
        found([], folder)
    folder.mkdir()
    with pytest.raises(ScenarioError, match="no scenario"):
        found([], folder)
    for name in ("b.yml", "a.yaml", "notes.md"):
        (folder / name).touch()

    assert found([], folder) == [folder / "a.yaml", folder / "b.yml"]
    assert found([Path("x.yaml"), folder], folder)[0] == Path("x.yaml")


def test_the_shipped_scenarios_are_three_and_use_what_there_is() -> None:
    forms = [read(file).form for file in sorted((ROOT / "scenarios").iterdir())]
    assert len(forms) == 3
    assert any(turn.barge_in for form in forms for turn in form.turns)
    assert any("cancel_order" in form.tools for form in forms)
